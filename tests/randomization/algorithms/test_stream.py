"""The stream: published Philox words, uniform integers, a uniform shuffle, one stream for each stratum."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from randomization.algorithms import stream as stream_module
from randomization.algorithms.stream import Stream, philox_state
from tests.randomization.algorithms import reference

SEED = bytes(range(32))

# Random123, tests/kat_vectors, "philox4x64 10": counter, key, four words.
PUBLISHED = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ),
    (
        (2**64 - 1,) * 4,
        (2**64 - 1,) * 2,
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_philox_known_answers(counter, key, expected):
    """RND-001: numpy's raw words and the reference are those that Random123 published."""
    assert reference.philox(list(counter), list(key)) == list(expected)

    # numpy adds one to the counter before each block, so start one lower.
    whole = sum(word << (64 * at) for at, word in enumerate(counter))
    before = [((whole - 1) % 2**256) >> (64 * at) & (2**64 - 1) for at in range(4)]
    bits = np.random.Philox(counter=np.array(before, dtype=np.uint64), key=np.array(key, dtype=np.uint64))
    assert bits.random_raw(4).tolist() == list(expected)


def test_state_is_the_documented_digest():
    """RND-002: key and counter come from SHA-256 of tag, seed, algorithm and stratum, and are written down here."""
    key, counter = philox_state(SEED, "permuted-blocks/1", "ici=Y|imdc=FAV|lesions=1")

    assert key == (0x366EFCB30437FF87, 0x1C934595B93AE6AF)
    assert counter == (0, 0, 0xA492B3A364458741, 0x9DA668C1C47FCC4C)


@settings(max_examples=40)
@given(
    seed=st.binary(min_size=32, max_size=32),
    stratum=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
)
def test_words_equal_the_reference(seed, stratum):
    """RND-003: the words are those of the page's pseudo-code, across the edge of the buffer too."""
    made = Stream(seed, "x/1", stratum)

    assert [made.word() for _ in range(520)] == list(itertools.islice(reference.words(seed, "x/1", stratum), 520))


def test_streams_differ_by_seed_algorithm_and_stratum():
    """RND-004: another seed, algorithm or stratum is another stream; name and label cannot run into each other."""
    streams = [
        Stream(SEED, "a/1", "s=1"),
        Stream(SEED, "a/1", "s=2"),
        Stream(SEED, "a/2", "s=1"),
        Stream(SEED, "a/1s", "=1"),
        Stream(bytes(32), "a/1", "s=1"),
    ]

    words = [word for stream in streams for word in (stream.word() for _ in range(200))]

    assert len(set(words)) == len(words)
    with pytest.raises(ValueError, match="NUL"):
        Stream(SEED, "a/1\0s", "=1")


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33), "x" * 32, bytearray(32)])
def test_seed_of_another_length_is_refused(seed):
    """RND-005: a seed is exactly 256 bits; a short one is not filled up."""
    with pytest.raises(ValueError, match="32 bytes"):
        Stream(seed, "a/1", "all")


class Scripted(Stream):
    """A stream whose words are given."""

    __slots__ = ("_script",)

    def __init__(self, *words):
        self._script = iter(words)

    def word(self):
        return next(self._script)


@pytest.mark.parametrize(
    ("bound", "words", "expected"),
    [
        (1, [2**64 - 1], 0),
        (2, [2**64 - 1], 1),
        (3, [2**64 - 1, 2**64 - 2], 2),  # 2**64 = 3 × … + 1: the last word alone is thrown away
        (6, [2**64 - 1, 2**64 - 4, 2**64 - 5], 5),  # 2**64 mod 6 = 4: the last four are
        (2**63 + 1, [2**63 + 1, 7], 7),
        (2**64, [2**64 - 1], 2**64 - 1),
    ],
)
def test_below_rejects_exactly_the_incomplete_multiple(bound, words, expected):
    """RND-006: words beyond the last whole multiple of the bound are thrown away, and no others."""
    assert Scripted(*words).below(bound) == expected


@pytest.mark.parametrize("bound", [0, -1, 2**64 + 1])
def test_below_refuses_a_bound_outside_a_word(bound):
    """RND-007: no bound that a word cannot hold."""
    with pytest.raises(ValueError, match="bound"):
        Stream(SEED, "a/1", "all").below(bound)


def test_shuffle_is_uniform():
    """RND-008: over 24,000 shuffles of four items each of the 24 orders comes about 1,000 times (fixed seed)."""
    stream = Stream(SEED, "shuffle-test/1", "all")
    counts: Counter[str] = Counter()
    for _ in range(24_000):
        items = list("abcd")
        stream.shuffle(items)
        counts["".join(items)] += 1

    chi_square = sum((count - 1000) ** 2 / 1000 for count in counts.values())

    assert len(counts) == 24
    assert chi_square < 49.7  # 99.9th percentile of chi-square, 23 degrees of freedom


def test_strata_are_independent():
    """RND-009: what one stratum draws says nothing of what another draws at the same place (fixed seed)."""
    one, two = Stream(SEED, "a/1", "s=1"), Stream(SEED, "a/1", "s=2")

    pairs = Counter((one.below(6), two.below(6)) for _ in range(36_000))

    chi_square = sum((pairs[a, b] - 1000) ** 2 / 1000 for a in range(6) for b in range(6))
    assert chi_square < 66.6  # 99.9th percentile, 35 degrees of freedom


def test_only_raw_words_of_the_bit_generator_are_used():
    """RND-010: the module never asks numpy's Generator, whose methods numpy may change."""
    code = Path(stream_module.__file__).read_text(encoding="utf-8").split('"""', 2)[2]

    assert "default_rng" not in code
    assert "Generator(" not in code
    assert repr(Stream(SEED, "a/1", "all")) == "Stream(…)"
