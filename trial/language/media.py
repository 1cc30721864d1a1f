"""Files that items hold: what a file is, told from its content, and the name under which it is kept.

A file's name and what the browser says of it are claims; its first bytes are looked at instead. Only types that people
attach to a form are known here, and nothing is unpacked or rendered.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType

from trial.language.faults import fault

MAX_NAME = 120
HEAD, TAIL = 32, 2048
"""Bytes at either end of a file that tell what it is."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """One kind of file: its word in a study folder, its media type, and the ends of name that belong to it."""

    word: str
    media_type: str
    suffixes: tuple[str, ...]
    label: str


MEDIA_TYPES = MappingProxyType(
    {
        each.word: each
        for each in (
            MediaType("pdf", "application/pdf", (".pdf",), "PDF"),
            MediaType("png", "image/png", (".png",), "PNG"),
            MediaType("jpeg", "image/jpeg", (".jpg", ".jpeg"), "JPEG"),
        )
    }
)
DEFAULT_ACCEPT = tuple(MEDIA_TYPES)
_PNG = b"\x89PNG\r\n\x1a\n"
# Characters that a file system, a header or a reader could take for something else.
_RESERVED = re.compile(r'[<>:"|?*\x00-\x1f\x7f;%]+')
_DIRECTIONS = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff]")
_BLANKS = re.compile(r"\s+")


def sniff(content: bytes) -> str:
    """The word of what the bytes are (`pdf`, `png`, `jpeg`); "" when they are none of these.

    Signatures as in PDF 32000-1 (7.5.2, 7.5.5), PNG (RFC 2083, 3.1) and JPEG (ITU-T T.81, B.1.1.3). They must open the
    file: a file that is two things at once begins with the other one.
    """
    head, tail = content[:HEAD], content[-TAIL:]
    if head.startswith(b"%PDF-") and b"%%EOF" in tail:
        return "pdf"
    if head.startswith(_PNG) and head[12:16] == b"IHDR" and b"IEND" in tail:
        return "png"
    if head.startswith(b"\xff\xd8\xff") and b"\xff\xd9" in tail:
        return "jpeg"
    return ""


def check_file(content: bytes, *, accept: Collection[str], limit: int) -> MediaType:
    """What a file is, if an item accepts it; Fault when it is empty, larger than `limit` bytes, or something else."""
    if not content:
        raise fault("file.empty")
    if len(content) > limit:
        raise fault("file.too_large", size=size_words(len(content)), limit=size_words(limit))
    word = sniff(content)
    if word not in accept:
        wanted = ", ".join(MEDIA_TYPES[each].label for each in accept)
        if word:
            raise fault("file.not_accepted", type=MEDIA_TYPES[word].label, wanted=wanted)
        raise fault("file.not", wanted=wanted)
    return MEDIA_TYPES[word]


def clean_name(name: str, media: MediaType) -> str:
    """The name of a file as it may be kept and shown: no folder, nothing hidden, ending as its content says."""
    last = re.split(r"[/\\]", name)[-1]
    last = unicodedata.normalize("NFC", last.encode("utf-8", "ignore").decode())
    last = _BLANKS.sub(" ", _RESERVED.sub(" ", _DIRECTIONS.sub("", last))).strip(" .")
    stem, suffix = last, ""
    for each in media.suffixes:
        if last.lower().endswith(each):
            stem, suffix = last[: -len(each)], last[-len(each) :]
    return (stem.strip(" .")[: MAX_NAME - 5].strip() or "file") + (suffix or media.suffixes[0])


def size_words(size: int) -> str:
    """A size as people read it, in decimal units: `320 kB`, `2.4 MB`."""
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{(size + 500) // 1000} kB"
    return f"{size / 1_000_000:.1f}".removesuffix(".0") + " MB"


__all__ = ["DEFAULT_ACCEPT", "MEDIA_TYPES", "MediaType", "check_file", "clean_name", "size_words", "sniff"]
