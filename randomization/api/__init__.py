"""Allocation for programs, over the same gate and action as the page."""
