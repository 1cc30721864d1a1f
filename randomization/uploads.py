"""A list's file is read in memory alone: not one byte of it is written to a disk in clear, however large it is."""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from .algorithms.imported import MAX_BYTES

NAME = "list.csv"
"""What the file is called from here on: its own name may hold what nobody is to read."""


class InMemoryUpload(FileUploadHandler):
    """Keeps a file in memory up to one byte over the limit, which tells that it is too large, and drops the rest."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.kept = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        room = MAX_BYTES + 1 - self.kept.tell()
        self.kept.write(raw_data[: max(0, room)])

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        size = self.kept.tell()
        self.kept.seek(0)
        return InMemoryUploadedFile(self.kept, self.field_name, NAME, self.content_type, size, self.charset)


__all__ = ["InMemoryUpload"]
