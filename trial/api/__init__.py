"""The trial's edge for programs: participants, visits, the definition, and what every room's API shares."""
