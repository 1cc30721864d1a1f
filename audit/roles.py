"""The two database roles: the owner migrates, the application reads and writes and owns nothing."""

import os

from django.conf import settings


def owner_role() -> str:
    """The role that owns every table and function (`STRATUM_OWNER_ROLE`, default `stratum_owner`)."""
    return _name("STRATUM_OWNER_ROLE", "stratum_owner")


def app_role() -> str:
    """The role of web, worker and beat (`STRATUM_APP_ROLE`, default `stratum_app`)."""
    return _name("STRATUM_APP_ROLE", "stratum_app")


def _name(setting: str, default: str) -> str:
    return str(getattr(settings, setting, None) or os.environ.get(setting) or default)
