"""A file larger than may be kept is not read to its end into memory or onto the disk."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, SkipFile

TOO_LARGE = "stratum.files_too_large"
"""Name in `request.META` under which the fields stand whose file was too large to be taken."""


class LimitedUpload(FileUploadHandler):
    """Lets files through to the handlers after it, up to FILE_MAX_BYTES; names the fields of larger ones."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.seen = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.seen += len(raw_data)
        if self.seen > settings.FILE_MAX_BYTES and self.request is not None:
            self.request.META.setdefault(TOO_LARGE, set()).add(self.field_name)
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


__all__ = ["TOO_LARGE", "LimitedUpload"]
