"""Serious adverse events and their clocks."""

from .cases import CaseState, SafetyCase

__all__ = ["CaseState", "SafetyCase"]
