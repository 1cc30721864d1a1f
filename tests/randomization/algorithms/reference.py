"""docs/randomization-algorithms.md, line by line, with whole numbers and SHA-256: a second opinion on every list."""

import hashlib
from collections.abc import Iterator
from fractions import Fraction

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


def biased_coin(seed: bytes, stratum: str, arms: list[str], a: int, b: int, size: int) -> list[str]:
    stream = words(seed, "biased-coin/1", stratum)
    first, second = sorted(arms, key=lambda arm: arm.encode())
    out: list[str] = []
    while len(out) < size:
        n1, n2 = out.count(first), out.count(second)
        if n1 == n2:
            out.append([first, second][below(stream, 2)])
        else:
            fewer, more = (first, second) if n1 < n2 else (second, first)
            out.append(fewer if below(stream, b) < a else more)
    return out


def big_stick(seed: bytes, stratum: str, arms: list[str], tolerance: int, size: int) -> list[str]:
    stream = words(seed, "big-stick/1", stratum)
    first, second = sorted(arms, key=lambda arm: arm.encode())
    out: list[str] = []
    while len(out) < size:
        tossed = [first, second][below(stream, 2)]
        difference = out.count(first) - out.count(second)
        out.append(second if difference >= tolerance else first if -difference >= tolerance else tossed)
    return out


def urn(seed: bytes, stratum: str, arms: list[str], alpha: int, beta: int, size: int) -> list[str]:
    stream = words(seed, "urn/1", stratum)
    ordered = sorted(arms, key=lambda arm: arm.encode())
    out: list[str] = []
    while len(out) < size:
        balls = [arm for arm in ordered for _ in range(alpha + beta * (len(out) - out.count(arm)))] or ordered
        out.append(balls[below(stream, len(balls))])
    return out


def minimization(
    seed: bytes,
    ratios: dict[str, int],
    p: tuple[int, int],
    function: str,
    weights: dict[str, int],
    participants: list[dict[str, str]],
) -> tuple[list[tuple[int, int]], list[str]]:
    """The draws of the list and the arms of these participants, in their order."""
    arms = sorted(ratios, key=lambda arm: arm.encode())
    divisor = max(d for d in range(1, max(ratios.values()) + 1) if all(r % d == 0 for r in ratios.values()))
    shares = [(arm, copy) for arm in arms for copy in range(ratios[arm] // divisor)]
    tie_bound = 1
    while any(tie_bound % n for n in range(1, len(shares) + 1)):
        tie_bound += 1
    a, b = p
    stream = words(seed, "minimization/1", "all")
    draws = [(below(stream, tie_bound), below(stream, b * (len(shares) - 1))) for _ in participants]
    given: list[tuple[str, int]] = []
    for (tie, coin), new in zip(draws, participants, strict=True):
        totals = {}
        for candidate in shares:
            total = Fraction(0)
            for factor, weight in weights.items():
                counts = []
                for share in shares:
                    n = sum(
                        old[factor] == new[factor] and was == share
                        for old, was in zip(participants[: len(given)], given, strict=True)
                    )
                    counts.append(Fraction(n + (share == candidate)))
                mean = sum(counts, Fraction(0)) / len(counts)
                squares = sum(((c - mean) * (c - mean) for c in counts), Fraction(0))
                total += weight * (max(counts) - min(counts) if function == "range" else squares)
            totals[candidate] = total
        tied = [share for share in shares if totals[share] == min(totals.values())]
        preferred = tied[tie % len(tied)]
        others = [share for share in shares if share != preferred for _ in range(b - a)]
        given.append(others[coin] if coin < len(others) else preferred)
    return draws, [arm for arm, _ in given]
