"""Raw Philox words, bounded integers and a shuffle: the only source of chance in a randomization list.

numpy promises that a bit generator's raw stream never changes, but not what `Generator`'s methods make of it, so only
`random_raw` is used and the rest is written here. The same in pseudo-code, with worked values, stands in
`docs/randomization-algorithms.md`; a change here that changes one word needs a new algorithm name.

Philox4x64-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""

import hashlib
from collections.abc import MutableSequence
from typing import TypeVar

import numpy as np

SEED_BYTES = 32
WORD = 1 << 64
_DOMAIN = b"stratum.randomization.stream/1"
_CHUNK = 256

T = TypeVar("T")


def philox_state(seed: bytes, algorithm: str, stratum: str) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The Philox key and starting counter of one stratum, from the list's seed.

    SHA-256 over: the tag, 0x00, the 32-byte seed, the algorithm's name, 0x00, the stratum's label (both UTF-8). The
    digest is read as four little-endian 64-bit words w0 to w3: the key is (w0, w1), the counter (0, 0, w2, w3), lowest
    word first. Every bit of the seed is used, and each stratum and algorithm has a stream of its own, so that adding a
    stratum changes no other.
    """
    if not isinstance(seed, bytes) or len(seed) != SEED_BYTES:
        raise ValueError(f"A seed is exactly {SEED_BYTES} bytes.")
    if "\0" in algorithm or "\0" in stratum:
        raise ValueError("Names of algorithms and strata hold no NUL.")
    message = _DOMAIN + b"\0" + seed + algorithm.encode("utf-8") + b"\0" + stratum.encode("utf-8")
    digest = hashlib.sha256(message).digest()
    w0, w1, w2, w3 = (int.from_bytes(digest[at : at + 8], "little") for at in range(0, 32, 8))
    return (w0, w1), (0, 0, w2, w3)


class Stream:
    """The words of one stratum, in order, for ever the same for the same seed, algorithm and stratum."""

    __slots__ = ("_bits", "_words")

    def __init__(self, seed: bytes, algorithm: str, stratum: str) -> None:
        key, counter = philox_state(seed, algorithm, stratum)
        self._bits = np.random.Philox(counter=np.array(counter, dtype=np.uint64), key=np.array(key, dtype=np.uint64))
        self._words: list[int] = []

    def __repr__(self) -> str:
        return "Stream(…)"

    def word(self) -> int:
        """The next raw word, 0 to 2⁶⁴ − 1."""
        if not self._words:
            self._words = self._bits.random_raw(_CHUNK).tolist()
            self._words.reverse()
        return self._words.pop()

    def below(self, bound: int) -> int:
        """A uniform integer from 0 to bound − 1: words of the incomplete last multiple of `bound` are thrown away."""
        if not 1 <= bound <= WORD:
            raise ValueError("The bound lies between 1 and 2**64.")
        limit = WORD - WORD % bound
        while True:
            word = self.word()
            if word < limit:
                return word % bound

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Put the items in uniformly random order, in place: Fisher–Yates from the last item down."""
        for last in range(len(items) - 1, 0, -1):
            pick = self.below(last + 1)
            items[last], items[pick] = items[pick], items[last]
