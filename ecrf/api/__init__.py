"""Records, queries and eligibility for programs, over the same selectors and actions as the pages."""
