"""Exports: asked for, written by a task, downloaded by the person who asked."""

from .exports import Export, ExportState

__all__ = ["Export", "ExportState"]
