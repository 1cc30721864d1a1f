"""Addresses as the environment gives them, turned into what Django and Celery want. No Django in this module."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit


def database(address: str) -> dict[str, Any]:
    """Django's entry for a PostgreSQL address; a quoted path as host (`%2Ftmp%2Fdir`) is a Unix socket's folder.

    Parameters after `?` become options of the connection (`sslmode=require`). Raises ValueError for another engine.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError(f"DATABASE_URL must begin with postgresql://, not {parts.scheme or 'nothing'}://")
    where = parts.netloc.rpartition("@")[2]
    if where.startswith("["):  # IPv6
        host, _, port = where[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = where.partition(":")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(host),
        "PORT": port,
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def broker(address: str) -> str:
    """Celery's address for a Redis address: a Unix socket is spelled differently there."""
    parts = urlsplit(address)
    if parts.scheme != "unix":
        return address
    number = dict(parse_qsl(parts.query)).get("db", "0")
    return f"redis+socket://{parts.netloc}{parts.path}?{urlencode({'virtual_host': number})}"


def keys(text: str) -> dict[str, str]:
    """`id:base64,id:base64` as a dict in the given order; the first key wraps, the others only open.

    Raises ValueError when an id or a key is missing or an id comes twice.
    """
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, colon, value = entry.partition(":")
        if not (name and colon and value):
            raise ValueError("STRATUM_KEYS: each key is written id:base64, and keys are parted by commas")
        if name in found:
            raise ValueError(f"STRATUM_KEYS: the id {name} comes twice")
        found[name] = value
    return found
