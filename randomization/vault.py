"""Where a list's secrets are sealed: slots, seed and block sizes, so that a copy of the database tells no arm.

Two layers. Each list has a *data key* of its own (AES-256-GCM); a slot is sealed once, as a payload of constant length,
and never again. The data key is *wrapped* by a key of the environment; rotation wraps it anew and leaves the slots
alone, so that an append-only history never holds the same slot under two keys.

Nonces are 96 random bits for each sealing (NIST SP 800-38D, 8.2.2: up to 2³² sealings under one key; a list has at most
some 10⁵ slots). Nothing here reads the environment or a clock; keys are arguments. What holds a secret keeps it out of
its printed form and refuses to be pickled, so that it reaches neither a log, nor a cache, nor a task's arguments.
"""

import base64
import binascii
import hmac
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
SEED_BYTES = 32
SALT_BYTES = 32
MAX_ARM_BYTES = 32
MAX_LIST_ID_BYTES = 64
MAX_NUMBER_BYTES = 16

_NONCE_BYTES = 12
_TAG_BYTES = 16
_CHECK_BYTES = 8
_HEADER_BYTES = 1 + _CHECK_BYTES + _NONCE_BYTES
_SLOT_PAYLOAD_BYTES = (
    1 + (1 + MAX_LIST_ID_BYTES) + 8 + (1 + MAX_ARM_BYTES) + 4 + SALT_BYTES + (1 + MAX_NUMBER_BYTES) + 1
)
"""160 bytes of slot and one to spare, so that the sealed bytes are a multiple of three and base64 needs no padding."""
_CONFIDENTIAL_STEP = 2048  # confidential parameters are padded to a multiple: their length tells no number of blocks
_DOCUMENT_STEP = 16_384
_FORMAT = 1

SEALED_SLOT_LENGTH = (_HEADER_BYTES + _SLOT_PAYLOAD_BYTES + _TAG_BYTES) // 3 * 4
"""The characters of every sealed slot, whatever its arm, block, position or stratum."""

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


class VaultError(Exception):
    """A secret could not be sealed or opened; the message holds no secret and may be shown and logged."""


class KeyringError(VaultError):
    """The environment's keys cannot be read."""


class LostKey(VaultError):  # noqa: N818
    """The environment key that wrapped this data key is not among the environment's keys."""


class WrongKey(VaultError):  # noqa: N818
    """A key was found, but it is not the one under which this was sealed."""


class Tampered(VaultError):  # noqa: N818
    """What was sealed was changed, cut, or moved to another place since."""


class _Secret:
    """What holds a secret: it cannot be pickled or copied."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is never pickled, cached or copied.")


class _Key(_Secret):
    """32 bytes that encrypt, with the short check value by which a sealed thing names its key."""

    __slots__ = ("_cipher", "_raw", "check")

    def __init__(self, raw: bytes) -> None:
        if not isinstance(raw, bytes) or len(raw) != KEY_BYTES:
            raise ValueError(f"A key is exactly {KEY_BYTES} bytes.")
        self._raw = raw
        self._cipher = AESGCM(raw)
        # One way: 64 bits of an HMAC under the key say which key it is, and nothing about it.
        self.check = hmac.digest(raw, b"stratum.key-check/1", "sha256")[:_CHECK_BYTES]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def _seal(self, payload: bytes, associated: bytes) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = bytes((_FORMAT,)) + self.check + nonce + self._cipher.encrypt(nonce, payload, associated)
        return base64.urlsafe_b64encode(sealed).decode("ascii")

    def _open(self, sealed: str, associated: bytes, what: str) -> bytes:
        try:
            token = base64.b64decode(sealed.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            token = b""
        if (
            base64.urlsafe_b64encode(token).decode("ascii") != sealed
            or len(token) < _HEADER_BYTES + _TAG_BYTES
            or token[0] != _FORMAT
        ):
            raise Tampered(f"{what} is cut, or was never sealed here.")
        if not hmac.compare_digest(token[1 : 1 + _CHECK_BYTES], self.check):
            raise WrongKey(f"{what} was sealed under another key than the one given.")
        try:
            return self._cipher.decrypt(token[1 + _CHECK_BYTES : _HEADER_BYTES], token[_HEADER_BYTES:], associated)
        except InvalidTag:
            raise Tampered(f"{what} was changed or moved since it was sealed.") from None


class DataKey(_Key):
    """The key of one list. Made by `new_data_key`, kept only wrapped."""

    __slots__ = ()


class _EnvironmentKey(_Key):
    __slots__ = ("id",)

    def __init__(self, key_id: str, raw: bytes) -> None:
        super().__init__(raw)
        self.id = key_id


class Keyring(_Secret):
    """The environment's keys, newest first: the first wraps, all unwrap."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise KeyringError("No key is given. Set STRATUM_KEYS to id:base64, newest first.")
        for key_id, raw in keys.items():
            if not _KEY_ID.match(key_id):
                raise KeyringError("A key id in STRATUM_KEYS is not 1 to 32 letters, digits, - and _.")
            if len(raw) != KEY_BYTES:
                raise KeyringError(f"Key {key_id} in STRATUM_KEYS has {len(raw)} bytes; it needs {KEY_BYTES}.")
        self._keys = {key_id: _EnvironmentKey(key_id, raw) for key_id, raw in keys.items()}

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Read `id:base64` entries, newest first, parted by commas or white space. KeyringError shows no key."""
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(re.split(r"[,\s]+", text.strip()) if text.strip() else (), start=1):
            if not entry:
                continue
            key_id, colon, encoded = entry.partition(":")
            if not colon:
                raise KeyringError(f"Entry {number} of STRATUM_KEYS has no id. Write id:base64.")
            if not _KEY_ID.match(key_id):
                raise KeyringError(f"The id of entry {number} of STRATUM_KEYS is not letters, digits, - and _.")
            if key_id in keys:
                raise KeyringError(f"Key {key_id} stands twice in STRATUM_KEYS.")
            try:
                keys[key_id] = base64.b64decode(encoded.encode("ascii"), altchars=None, validate=True)
            except (binascii.Error, ValueError):
                raise KeyringError(f"Key {key_id} in STRATUM_KEYS is not base64.") from None
        return cls(keys)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"

    def __iter__(self) -> Iterator[str]:
        """The key ids, newest first."""
        return iter(self._keys)

    @property
    def newest(self) -> str:
        """The id of the key that wraps new data keys."""
        return next(iter(self._keys))

    def _key(self, key_id: str) -> _EnvironmentKey:
        try:
            return self._keys[key_id]
        except KeyError:
            raise LostKey(
                f"Key {key_id} is not in STRATUM_KEYS. Put it back behind the newest key; without it this list cannot "
                "be read."
            ) from None


def new_environment_key(key_id: str) -> str:
    """A fresh `id:base64` entry for STRATUM_KEYS. The caller keeps it out of logs."""
    if not _KEY_ID.match(key_id):
        raise KeyringError("A key id is 1 to 32 letters, digits, - and _.")
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode('ascii')}"


def new_data_key() -> DataKey:
    """A fresh key for one list, from the system's generator."""
    return DataKey(secrets.token_bytes(KEY_BYTES))


def new_seed() -> bytes:
    """A fresh 256-bit seed for one list, from the system's generator."""
    return secrets.token_bytes(SEED_BYTES)


def new_salt() -> bytes:
    """A fresh 256-bit salt for one slot, from the system's generator."""
    return secrets.token_bytes(SALT_BYTES)


def derived(key: DataKey, *parts: str) -> bytes:
    """32 bytes that only this key makes of these words: a secret that is made again whenever needed, never stored."""
    return hmac.digest(key._raw, b"stratum.derived/1" + _associated(*parts), "sha256")


# Wrapped data keys: text `1.<key id>.<base64url>`, so that a person can see which environment key it needs.


def wrap(key: DataKey, keyring: Keyring, *, list_id: str) -> str:
    """The list's data key, sealed under the newest environment key and bound to the list."""
    outer = keyring._key(keyring.newest)
    sealed = outer._seal(key._raw, _associated("data-key", outer.id, list_id))
    return f"{_FORMAT}.{outer.id}.{sealed}"


def unwrap(wrapped: str, keyring: Keyring, *, list_id: str) -> DataKey:
    """The list's data key. Raises LostKey, WrongKey or Tampered."""
    key_id, sealed = _wrapped_parts(wrapped)
    outer = keyring._key(key_id)
    raw = outer._open(sealed, _associated("data-key", outer.id, list_id), f"The data key wrapped by {key_id}")
    if len(raw) != KEY_BYTES:
        raise Tampered("The wrapped data key has a wrong length.")
    return DataKey(raw)


def wrapping_key(wrapped: str) -> str:
    """The id of the environment key that wrapped this data key: which lists still need an old key."""
    return _wrapped_parts(wrapped)[0]


def rewrap(wrapped: str, keyring: Keyring, *, list_id: str) -> str:
    """The same data key under the newest environment key; the very same text when it already is."""
    key = unwrap(wrapped, keyring, list_id=list_id)
    return wrapped if wrapping_key(wrapped) == keyring.newest else wrap(key, keyring, list_id=list_id)


def _wrapped_parts(wrapped: str) -> tuple[str, str]:
    """The environment key's id and the sealed data key."""
    version, _, rest = wrapped.partition(".")
    key_id, _, sealed = rest.partition(".")
    if version != str(_FORMAT) or not _KEY_ID.match(key_id):
        raise Tampered("The wrapped data key is cut, or was never wrapped here.")
    return key_id, sealed


# Slots


@dataclass(frozen=True, slots=True)
class Slot(_Secret):
    """One slot of a list, opened. Arm, block, salt and number stay out of the printed form.

    `arm` is the text of a random draw where the algorithm computes the arm at allocation; `block` is 0 where it has no
    blocks; `salt` is the slot's own, `SALT_BYTES` long; `number` is the sponsor's own one in an imported list.
    """

    list_id: str
    stratum: str
    position: int
    arm: str = field(repr=False)
    block: int = field(repr=False)
    salt: bytes = field(repr=False)
    number: str = field(default="", repr=False)


def seal_slot(key: DataKey, slot: Slot) -> str:
    """The slot as text, `SEALED_SLOT_LENGTH` long whatever it holds, bound to its list, stratum and position.

    Seal a slot once: the same slot sealed again is another text. ValueError when a part does not fit.
    """
    list_id, arm, number = slot.list_id.encode("utf-8"), slot.arm.encode("utf-8"), slot.number.encode("utf-8")
    if not 1 <= len(list_id) <= MAX_LIST_ID_BYTES:
        raise ValueError(f"A list id has 1 to {MAX_LIST_ID_BYTES} bytes.")
    if not 1 <= len(arm) <= MAX_ARM_BYTES:
        raise ValueError(f"An arm id has 1 to {MAX_ARM_BYTES} bytes.")
    if len(number) > MAX_NUMBER_BYTES:
        raise ValueError(f"An own number has at most {MAX_NUMBER_BYTES} bytes.")
    if len(slot.salt) != SALT_BYTES:
        raise ValueError(f"A salt has {SALT_BYTES} bytes.")
    if not 1 <= slot.position < 1 << 64 or not 0 <= slot.block < 1 << 32:
        raise ValueError("Position or block is out of range.")
    payload = (
        bytes((_FORMAT, len(list_id)))
        + list_id.ljust(MAX_LIST_ID_BYTES, b"\0")
        + slot.position.to_bytes(8, "big")
        + bytes((len(arm),))
        + arm.ljust(MAX_ARM_BYTES, b"\0")
        + slot.block.to_bytes(4, "big")
        + slot.salt
        + bytes((len(number),))
        + number
    ).ljust(_SLOT_PAYLOAD_BYTES, b"\0")
    return key._seal(payload, _associated("slot", slot.list_id, slot.stratum, str(slot.position)))


def open_slot(key: DataKey, sealed: str, *, list_id: str, stratum: str, position: int) -> Slot:
    """The slot that was sealed for this list, stratum and position. Raises WrongKey or Tampered."""
    what = f"Slot {position} of stratum {stratum}"
    if len(sealed) != SEALED_SLOT_LENGTH:
        raise Tampered(f"{what} is cut, or was never sealed here.")
    payload = key._open(sealed, _associated("slot", list_id, stratum, str(position)), what)
    at = 2 + MAX_LIST_ID_BYTES
    kept_list = payload[2 : 2 + payload[1]].decode("utf-8")
    kept_position = int.from_bytes(payload[at : at + 8], "big")
    arm_at = at + 9
    arm = payload[arm_at : arm_at + payload[at + 8]].decode("utf-8")
    block_at = arm_at + MAX_ARM_BYTES
    block = int.from_bytes(payload[block_at : block_at + 4], "big")
    number_at = block_at + 4 + SALT_BYTES
    salt = payload[block_at + 4 : number_at]
    number = payload[number_at + 1 : number_at + 1 + payload[number_at]].decode("utf-8")
    if payload[0] != _FORMAT or kept_list != list_id or kept_position != position:
        raise Tampered(f"{what} holds another slot.")
    return Slot(list_id=list_id, stratum=stratum, position=position, arm=arm, block=block, salt=salt, number=number)


# Confidential parameters


@dataclass(frozen=True, slots=True)
class Confidential(_Secret):
    """What nobody sees who reads the list: the seed, the block sizes, and whatever else a scheme keeps to itself.

    `extra` holds plain JSON values (minimization's weights and the like). Nothing of it is printed.
    """

    seed: bytes = field(repr=False)
    block_sizes: tuple[int, ...] = field(default=(), repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def seal_confidential(key: DataKey, confidential: Confidential, *, list_id: str) -> str:
    """The parameters as text, bound to the list and padded, so that their length tells nothing of them."""
    if len(confidential.seed) != SEED_BYTES:
        raise ValueError(f"A seed has {SEED_BYTES} bytes.")
    text = json.dumps(
        {
            "seed": confidential.seed.hex(),
            "block_sizes": list(confidential.block_sizes),
            "extra": dict(confidential.extra),
        },
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    ).encode("utf-8")
    body = len(text).to_bytes(4, "big") + text
    padded = body.ljust(-(-len(body) // _CONFIDENTIAL_STEP) * _CONFIDENTIAL_STEP, b"\0")
    return key._seal(padded, _associated("confidential", list_id))


def open_confidential(key: DataKey, sealed: str, *, list_id: str) -> Confidential:
    """The parameters that were sealed for this list. Raises WrongKey or Tampered."""
    payload = key._open(sealed, _associated("confidential", list_id), "The list's confidential parameters")
    content = json.loads(payload[4 : 4 + int.from_bytes(payload[:4], "big")])
    return Confidential(
        seed=bytes.fromhex(content["seed"]),
        block_sizes=tuple(content["block_sizes"]),
        extra=content["extra"],
    )


def _associated(*parts: str) -> bytes:
    """The associated data: what the sealed thing is and where it belongs, each part behind its length."""
    encoded = (b"stratum.vault/1", *(part.encode("utf-8") for part in parts))
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


# Documents that tell parameters: reports of simulations


def seal_document(key: DataKey, content: Mapping[str, Any], *, purpose: str) -> str:
    """Plain JSON values as text, bound to what they are for and padded: the length of a report tells little of it."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("utf-8")
    body = len(text).to_bytes(4, "big") + text
    padded = body.ljust(-(-len(body) // _DOCUMENT_STEP) * _DOCUMENT_STEP, b"\0")
    return key._seal(padded, _associated("document", purpose))


def open_document(key: DataKey, sealed: str, *, purpose: str) -> dict[str, Any]:
    """The values that were sealed for this purpose. Raises WrongKey or Tampered."""
    payload = key._open(sealed, _associated("document", purpose), "The sealed document")
    content: dict[str, Any] = json.loads(payload[4 : 4 + int.from_bytes(payload[:4], "big")])
    return content
