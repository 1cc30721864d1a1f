"""What the study's plan asks to verify at source: pure, without database; see `plan`."""

from .plan import Level, Plan, Strategy, drawn
from .required import filled_values, required_items, required_values

__all__ = ["Level", "Plan", "Strategy", "drawn", "filled_values", "required_items", "required_values"]
