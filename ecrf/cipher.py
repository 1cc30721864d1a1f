"""What a person is typing is encrypted at rest, with a key made of the application's secret."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def cipher() -> MultiFernet:
    """The cipher of drafts; what an earlier secret encrypted can still be read."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    keys = [base64.urlsafe_b64encode(hashlib.sha256(b"stratum-drafts:" + s.encode()).digest()) for s in secrets]
    return MultiFernet([Fernet(key) for key in keys])
