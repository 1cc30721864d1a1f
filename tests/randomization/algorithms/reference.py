"""docs/randomization-algorithms.md, line by line, with whole numbers and SHA-256: a second opinion on every list."""

import hashlib
from collections.abc import Iterator

MASK = (1 << 64) - 1


def state(seed: bytes, algorithm: str, stratum: str) -> tuple[list[int], list[int]]:
    message = b"stratum.randomization.stream/1\x00" + seed + algorithm.encode() + b"\x00" + stratum.encode()
    digest = hashlib.sha256(message).digest()
    w0, w1, w2, w3 = (int.from_bytes(digest[i : i + 8], "little") for i in (0, 8, 16, 24))
    return [w0, w1], [0, 0, w2, w3]


def philox(counter: list[int], key: list[int]) -> list[int]:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p = 0xD2E7470EE14C6C93 * c0
        q = 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (q >> 64) ^ c1 ^ k0, q & MASK, (p >> 64) ^ c3 ^ k1, p & MASK
        k0 = (k0 + 0x9E3779B97F4A7C15) & MASK
        k1 = (k1 + 0xBB67AE8584CAA73B) & MASK
    return [c0, c1, c2, c3]


def words(seed: bytes, algorithm: str, stratum: str) -> Iterator[int]:
    key, counter = state(seed, algorithm, stratum)
    while True:
        counter[0] += 1  # no list is long enough to carry over
        yield from philox(counter, key)


def below(stream: Iterator[int], n: int) -> int:
    limit = 2**64 - (2**64 % n)
    while True:
        w = next(stream)
        if w < limit:
            return w % n


def shuffle(stream: Iterator[int], x: list[str]) -> None:
    for i in range(len(x) - 1, 0, -1):
        j = below(stream, i + 1)
        x[i], x[j] = x[j], x[i]


def permuted_blocks(
    seed: bytes, stratum: str, ratios: dict[str, int], block_sizes: list[int], size: int
) -> list[list[str]]:
    """The blocks of the list, each a list of arms."""
    stream = words(seed, "permuted-blocks/1", stratum)
    arms = sorted(ratios, key=lambda arm: arm.encode())
    sizes = sorted(block_sizes)
    total = sum(ratios.values())
    blocks: list[list[str]] = []
    while sum(map(len, blocks)) < size:
        b = sizes[below(stream, len(sizes))]
        block = [arm for arm in arms for _ in range(ratios[arm] * b // total)]
        shuffle(stream, block)
        blocks.append(block)
    return blocks


def simple(seed: bytes, stratum: str, ratios: dict[str, int], size: int) -> list[str]:
    stream = words(seed, "simple/1", stratum)
    urn = [arm for arm in sorted(ratios, key=lambda arm: arm.encode()) for _ in range(ratios[arm])]
    return [urn[below(stream, len(urn))] for _ in range(size)]
