"""A PDF that opens with its password alone: AES with 256 bits, for reportlab, by the library that we have."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from reportlab.lib import pdfencrypt


class _CBC:
    """The mode that reportlab asks for, by the name that it knows."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self.cipher = Cipher(algorithms.AES(key), modes.CBC(iv))


class _Encrypter:
    """What reportlab feeds once with whole blocks (it pads by itself) and then asks to finish."""

    def __init__(self, mode: _CBC) -> None:
        self.encryptor = mode.cipher.encryptor()

    def feed(self, data: bytes | None = None) -> bytes:
        return self.encryptor.finalize() if data is None else self.encryptor.update(data)


class _Cipher:
    """In place of the package that reportlab looks for."""

    AESModeOfOperationCBC = _CBC
    Encrypter = _Encrypter


def sealed_by(password: str) -> Any:
    """Return what makes a reportlab document open with this password alone; printing is allowed, copying is not."""
    if pdfencrypt.pyaes is None:
        pdfencrypt.pyaes = _Cipher
        from hashlib import sha256

        pdfencrypt.sha256 = sha256
    return pdfencrypt.StandardEncryption(password, ownerPassword=password, canModify=0, canCopy=0, strength=256)
