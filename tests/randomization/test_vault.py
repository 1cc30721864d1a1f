"""The vault: what is sealed opens in its own place with its own key, and tells nothing otherwise."""

import base64
import copy
import json
import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from randomization import vault
from randomization.vault import (
    Confidential,
    DataKey,
    Keyring,
    KeyringError,
    LostKey,
    Slot,
    Tampered,
    VaultError,
    WrongKey,
)

OLD, NEW = vault.new_environment_key("2020"), vault.new_environment_key("2026")
LIST = "12"


def slot(**changes):
    """A slot of list 12."""
    values = {
        "list_id": LIST,
        "stratum": "ici=Y|imdc=FAV|lesions=1",
        "position": 3,
        "arm": "SRT",
        "block": 2,
        "salt": b"\x07" * 32,
    }
    return Slot(**{**values, **changes})


def opened(key, sealed, like):
    """Open for the place of the slot given."""
    return vault.open_slot(key, sealed, list_id=like.list_id, stratum=like.stratum, position=like.position)


@settings(max_examples=60, deadline=None)
@given(
    arm=st.text(min_size=1, max_size=32).filter(lambda text: len(text.encode()) <= 32),
    position=st.integers(1, 2**63),
    block=st.integers(0, 2**32 - 1),
    list_id=st.text("0123456789abcdef-", min_size=1, max_size=36),
    stratum=st.text(max_size=60),
    salt=st.binary(min_size=32, max_size=32),
)
def test_every_slot_opens_as_it_was_and_has_one_length(arm, position, block, list_id, stratum, salt):
    """RND-080: the length of what is stored says nothing of arm, block, position or stratum."""
    key = vault.new_data_key()
    original = Slot(list_id=list_id, stratum=stratum, position=position, arm=arm, block=block, salt=salt)

    sealed = vault.seal_slot(key, original)

    assert opened(key, sealed, original) == original
    assert len(sealed) == vault.SEALED_SLOT_LENGTH


def test_the_same_slot_sealed_twice_looks_different():
    """RND-081: two slots with the same arm cannot be recognized by their ciphertexts; nonces are never used again."""
    key = vault.new_data_key()
    sealed = [base64.urlsafe_b64decode(vault.seal_slot(key, slot())) for _ in range(200)]

    assert len({token[9:21] for token in sealed}) == 200  # the nonces
    assert len({token[21:] for token in sealed}) == 200
    assert not any(b"SRT" in token or b"\x07" * 8 in token for token in sealed)


@pytest.mark.parametrize("place", [{"list_id": "13"}, {"stratum": "ici=N|imdc=FAV|lesions=1"}, {"position": 4}])
def test_a_slot_moved_elsewhere_is_tampered(place):
    """RND-082: a row copied to another list, stratum or position does not open there."""
    key = vault.new_data_key()
    sealed = vault.seal_slot(key, slot())

    with pytest.raises(Tampered, match="changed or moved"):
        opened(key, sealed, slot(**place))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, vault.SEALED_SLOT_LENGTH * 3 // 4 - 1), bit=st.integers(0, 7))
def test_any_changed_bit_is_an_error_with_a_name(at, bit):
    """RND-083: no bit of a sealed slot may change unseen."""
    key = vault.new_data_key()
    token = bytearray(base64.urlsafe_b64decode(vault.seal_slot(key, slot())))
    token[at] ^= 1 << bit
    error = WrongKey if 1 <= at <= 8 else Tampered  # bytes 1 to 8 say which key

    with pytest.raises(error):
        opened(key, base64.urlsafe_b64encode(bytes(token)).decode(), slot())


@pytest.mark.parametrize(
    "damage", [lambda t: "", lambda t: t[:-4], lambda t: t + "AAAA", lambda t: "é" + t[1:], lambda t: " " + t[1:]]
)
def test_a_cut_or_garbled_slot_is_tampered(damage):
    """RND-084: what is not a sealed slot at all is said so, not a crash."""
    key = vault.new_data_key()

    with pytest.raises(Tampered, match="cut, or was never sealed"):
        opened(key, damage(vault.seal_slot(key, slot())), slot())


def test_another_lists_key_is_the_wrong_key():
    """RND-085: a slot opened with another list's key says wrong key, not tampered."""
    sealed = vault.seal_slot(vault.new_data_key(), slot())

    with pytest.raises(WrongKey, match="another key"):
        opened(vault.new_data_key(), sealed, slot())


@pytest.mark.parametrize(
    "changes",
    [
        {"arm": ""},
        {"arm": "É" * 17},
        {"salt": b"short"},
        {"position": 0},
        {"block": -1},
        {"block": 2**32},
        {"list_id": ""},
        {"list_id": "x" * 65},
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_sealed(changes):
    """RND-086: nothing is cut to fit."""
    with pytest.raises(ValueError, match=r"list id|arm id|salt|Position"):
        vault.seal_slot(vault.new_data_key(), slot(**changes))


def test_wrap_and_unwrap():
    """RND-087: the data key comes back, and only for its list."""
    ring, key = Keyring.parse(NEW), vault.new_data_key()
    wrapped = vault.wrap(key, ring, list_id=LIST)

    sealed = vault.seal_slot(key, slot())

    assert vault.wrapping_key(wrapped) == "2026"
    assert opened(vault.unwrap(wrapped, ring, list_id=LIST), sealed, slot()) == slot()
    with pytest.raises(Tampered):
        vault.unwrap(wrapped, ring, list_id="13")


def test_rotation_rewraps_and_leaves_slots_alone():
    """RND-088: after rotation the new key opens, the old one is no longer needed, and the slots were not touched."""
    key = vault.new_data_key()
    sealed = vault.seal_slot(key, slot())
    wrapped = vault.wrap(key, Keyring.parse(OLD), list_id=LIST)
    both = Keyring.parse(f"{NEW},{OLD}")

    rewrapped = vault.rewrap(wrapped, both, list_id=LIST)

    assert (vault.wrapping_key(wrapped), vault.wrapping_key(rewrapped)) == ("2020", "2026")
    assert opened(vault.unwrap(rewrapped, Keyring.parse(NEW), list_id=LIST), sealed, slot()) == slot()
    assert vault.rewrap(rewrapped, both, list_id=LIST) == rewrapped
    with pytest.raises(LostKey):
        vault.unwrap(rewrapped, Keyring.parse(OLD), list_id=LIST)


def test_lost_wrong_and_tampered_keys_have_names():
    """RND-089: three different faults, three different errors, each a VaultError."""
    wrapped = vault.wrap(vault.new_data_key(), Keyring.parse(OLD), list_id=LIST)

    with pytest.raises(LostKey, match="Key 2020 is not in STRATUM_KEYS"):
        vault.unwrap(wrapped, Keyring.parse(NEW), list_id=LIST)
    with pytest.raises(WrongKey, match="another key"):
        vault.unwrap(wrapped, Keyring.parse(vault.new_environment_key("2020")), list_id=LIST)
    renamed = wrapped.replace(".2020.", ".2026.")
    same_key = Keyring.parse(OLD.replace("2020:", "2026:"))
    with pytest.raises(Tampered):  # the key's id is bound too
        vault.unwrap(renamed, same_key, list_id=LIST)
    for damaged in ("", "1.2020", wrapped[:-4], wrapped.replace("1.", "2.", 1), "1.a b.AAAA", wrapped[:-1] + "é"):
        with pytest.raises(Tampered):
            vault.unwrap(damaged, Keyring.parse(OLD), list_id=LIST)
    assert {error.__base__ for error in (LostKey, WrongKey, Tampered, KeyringError)} == {VaultError}


def test_confidential_parameters_come_back():
    """RND-090: seed, block sizes and what else a scheme hides, sealed for one list."""
    key, kept = vault.new_data_key(), Confidential(vault.new_seed(), (4, 6), {"weights": {"site": 2}})

    sealed = vault.seal_confidential(key, kept, list_id=LIST)

    assert vault.open_confidential(key, sealed, list_id=LIST) == kept
    with pytest.raises(Tampered):
        vault.open_confidential(key, sealed, list_id="13")
    with pytest.raises(WrongKey):
        vault.open_confidential(vault.new_data_key(), sealed, list_id=LIST)
    with pytest.raises(Tampered):
        vault.open_confidential(key, vault.seal_slot(key, slot()), list_id=LIST)
    with pytest.raises(ValueError, match="seed"):
        vault.seal_confidential(key, Confidential(b"short"), list_id=LIST)


def test_the_length_of_parameters_tells_no_number_of_blocks():
    """RND-091: one block size or twenty: the same length."""
    key = vault.new_data_key()
    lengths = {
        len(vault.seal_confidential(key, Confidential(bytes(32), tuple(range(2, 2 + count))), list_id=LIST))
        for count in (0, 1, 2, 20)
    }

    assert len(lengths) == 1
    long = Confidential(bytes(32), extra={"draws": "x" * 10_000})
    assert vault.open_confidential(key, vault.seal_confidential(key, long, list_id=LIST), list_id=LIST) == long


def test_keyring_keeps_the_order_given():
    """RND-092: newest first, parted by commas, spaces or lines."""
    ring = Keyring.parse(f" {NEW},\n {OLD} ")

    assert list(ring) == ["2026", "2020"]
    assert ring.newest == "2026"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No key is given"),
        (" , ", "No key is given"),
        (base64.b64encode(b"k" * 32).decode(), "Entry 1 .* has no id"),
        (f"a:{base64.b64encode(b'k' * 31).decode()}", "Key a .* has 31 bytes"),
        ("a:not*base64", "Key a .* is not base64"),
        ("a:é", "Key a .* is not base64"),
        ("a/b:AAAA", "id of entry 1"),
        pytest.param(f"{NEW},{NEW}", "Key 2026 stands twice", id="the same key twice"),
    ],
)
def test_a_bad_keyring_is_refused_without_showing_a_key(text, message):
    """RND-093: the message may be logged."""
    with pytest.raises(KeyringError, match=message) as caught:
        Keyring.parse(text)
    for secret in re.findall(r"[A-Za-z0-9+/*é]{6,}=*", text.replace("not*base64", "")):
        assert secret not in str(caught.value)


def holders():
    """One of each thing that holds a secret."""
    raw = b"\x41" * 32
    return [
        DataKey(raw),
        Keyring({"k1": raw}),
        slot(arm="MARKER"),
        Confidential(raw, (977,), {"weights": "MARKER"}),
    ]


@pytest.mark.parametrize("holder", holders(), ids=lambda holder: type(holder).__name__)
def test_secrets_are_never_printed_pickled_or_copied(holder):
    """RND-094: neither a log, nor a cache, nor a task's arguments, nor an error report gets one."""
    printed = f"{holder!r} {holder} {[holder]}"

    assert not re.search(r"MARKER|977|AAAA|A{4}|\\x07|65, 65|QUFB", printed)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(holder)
    with pytest.raises(TypeError, match="never pickled"):
        copy.deepcopy(holder)
    with pytest.raises(TypeError):
        json.dumps(holder)


def test_errors_carry_no_secret_and_no_cause():
    """RND-095: the error of a failed opening has nothing of payload or key in it."""
    key = DataKey(b"\x41" * 32)
    with pytest.raises(Tampered) as caught:
        opened(key, vault.seal_slot(key, slot(arm="MARKER")), slot(position=9))

    assert "MARKER" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("raw", [b"", b"k" * 31, "k" * 32, None])
def test_a_key_is_32_bytes(raw):
    """RND-096: no key of another length, and no text for a key."""
    with pytest.raises(ValueError, match="32 bytes"):
        DataKey(raw)


def test_randomness_is_fresh():
    """RND-097: keys, seeds and salts are long enough and never the same."""
    made = [maker() for maker in (vault.new_seed, vault.new_salt) for _ in range(50)]

    assert {len(value) for value in made} == {32}
    assert len(set(made)) == 100
    assert len({vault.new_data_key().check for _ in range(50)}) == 50
    assert vault.new_environment_key("a") != vault.new_environment_key("a")
    with pytest.raises(KeyringError):
        vault.new_environment_key("a:b")
