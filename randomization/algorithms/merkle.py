"""The commitment to a list: a Merkle tree over salted slots, so that anyone can check later that the list was followed.

The hash tree is that of RFC 6962, section 2.1 (SHA-256; a leaf is hashed after 0x00, a node after 0x01; an odd node
moves up unchanged); proofs are checked as RFC 9162, section 2.1.3.2, says. Without its salt a leaf cannot be guessed
from its hash, although there are only a few arms.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

MIN_SALT_BYTES = 16  # 128 bits: nobody tries all salts to learn an arm from a leaf
EMPTY_ROOT = hashlib.sha256(b"").digest()
_SLOT_TAG = b"stratum.slot/1"


def leaf_hash(data: bytes) -> bytes:
    """The 32-byte hash of a leaf's content."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A Merkle tree over leaf hashes, in their order. Building is linear, a proof logarithmic."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Iterable[bytes]) -> None:
        level = list(leaves)
        self._levels: list[list[bytes]] = [level]
        while len(level) > 1:
            above = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
            if len(level) % 2:
                above.append(level[-1])
            self._levels.append(above)
            level = above

    def __len__(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """The 32 bytes that commit to all leaves and their order; SHA-256 of nothing for an empty tree."""
        return self._levels[-1][0] if self._levels[0] else EMPTY_ROOT

    def proof(self, index: int) -> list[bytes]:
        """The sibling hashes from the leaf at `index` (from 0) up to the root; IndexError outside the tree."""
        if not 0 <= index < len(self):
            raise IndexError(f"The tree has {len(self)} leaves; there is none at {index}.")
        path: list[bytes] = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            index >>= 1
        return path


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes, in their order."""
    return Tree(leaves).root


def verify(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """True when `proof` shows that the leaf hash stands at `index` (from 0) of the `size` leaves under `root`."""
    if not 0 <= index < size:
        return False
    position, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position % 2 or position == last:
            current = node_hash(sibling, current)
            while position % 2 == 0 and position != 0:
                position >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and hmac.compare_digest(current, root)


def slot_leaf(list_id: str, stratum: str, position: int, arm: str, salt: bytes) -> bytes:
    """The canonical bytes of one slot, whose `leaf_hash` is committed.

    The tag `stratum.slot/1` and 0x00; then list, stratum, position (8 bytes, big-endian), arm and salt, each behind its
    length in 4 bytes, big-endian; text in UTF-8. No two different slots have the same bytes. The block is not part of
    it: showing one allocation's proof must not tell where a block ends.
    """
    if position < 1:
        raise ValueError("Positions count from 1.")
    if len(salt) < MIN_SALT_BYTES:
        raise ValueError(f"A salt has at least {MIN_SALT_BYTES} bytes.")
    fields = (list_id.encode("utf-8"), stratum.encode("utf-8"), position.to_bytes(8, "big"), arm.encode("utf-8"), salt)
    return _SLOT_TAG + b"\0" + b"".join(len(part).to_bytes(4, "big") + part for part in fields)


@dataclass(frozen=True, slots=True)
class SaltedSlot:
    """A slot as it is committed; arm and salt stay out of the printed form."""

    stratum: str
    position: int
    arm: str = field(repr=False)
    salt: bytes = field(repr=False)


class Commitment:
    """The tree over all slots of a list: ordered by stratum label (UTF-8 bytes), then position.

    Raises ValueError when a slot is there twice, when a stratum's positions do not run 1, 2, 3 … without a hole, or
    when a salt is used twice. `starts` says where a stratum begins when its earlier slots are committed elsewhere.
    """

    __slots__ = ("_index", "tree")

    def __init__(
        self, list_id: str, slots: Iterable[SaltedSlot], starts: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        ordered = sorted(slots, key=lambda slot: (slot.stratum.encode("utf-8"), slot.position))
        self._index: dict[tuple[str, int], int] = {}
        expected: dict[str, int] = {}
        salts: set[bytes] = set()
        for index, slot in enumerate(ordered):
            wanted = expected.get(slot.stratum, starts.get(slot.stratum, 1) - 1) + 1
            if slot.position != wanted:
                kind = "is there twice" if slot.position < wanted else f"follows a hole at {wanted}"
                raise ValueError(f"Slot {slot.position} of stratum {slot.stratum!r} {kind}.")
            if slot.salt in salts:
                raise ValueError(f"Slot {slot.position} of stratum {slot.stratum!r} has the salt of another slot.")
            expected[slot.stratum] = wanted
            salts.add(slot.salt)
            self._index[slot.stratum, slot.position] = index
        self.tree = Tree(
            leaf_hash(slot_leaf(list_id, slot.stratum, slot.position, slot.arm, slot.salt)) for slot in ordered
        )

    def __len__(self) -> int:
        return len(self.tree)

    @property
    def root(self) -> bytes:
        """The 32 bytes to publish."""
        return self.tree.root

    def index(self, stratum: str, position: int) -> int:
        """Where the slot stands among all leaves, from 0; KeyError when it is not in the list."""
        return self._index[stratum, position]

    def proof(self, stratum: str, position: int) -> list[bytes]:
        """The proof of one slot, to be checked with `verify_slot`."""
        return self.tree.proof(self.index(stratum, position))


def verify_slot(list_id: str, slot: SaltedSlot, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """True when the slot is, unchanged and in its place, the one that `root` committed to."""
    try:
        leaf = leaf_hash(slot_leaf(list_id, slot.stratum, slot.position, slot.arm, slot.salt))
    except ValueError:
        return False
    return verify(leaf, index, size, proof, root)
