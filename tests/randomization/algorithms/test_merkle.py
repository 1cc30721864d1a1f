"""The commitment: published RFC 6962 trees, proofs that hold, and proofs that must not."""

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from randomization.algorithms import merkle
from randomization.algorithms.merkle import Commitment, SaltedSlot, Tree, leaf_hash, slot_leaf, verify, verify_slot

# The Certificate Transparency reference trees (google/certificate-transparency, merkletree tests; also
# transparency-dev/merkle, testonly): eight leaves, the root for each size, and two inclusion proofs.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PROOFS = {
    0: [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    5: [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size):
    """RND-040: the roots of Certificate Transparency's reference trees, 0 to 8 leaves."""
    assert merkle.root(HASHES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize("index", PROOFS)
def test_published_proofs(index):
    """RND-041: the reference inclusion proofs, made and verified."""
    tree = Tree(HASHES)

    assert [step.hex() for step in tree.proof(index)] == PROOFS[index]
    assert verify(HASHES[index], index, 8, tree.proof(index), tree.root)


def recursive_root(hashes):
    """RFC 6962, section 2.1, as it is written: split at the largest power of two below the size."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + recursive_root(hashes[:split]) + recursive_root(hashes[split:])).digest()


def test_every_proof_of_every_small_tree_and_no_other():
    """RND-042: for 1 to 40 leaves the root is the RFC's, each proof holds, and holds nowhere else."""
    leaves = [leaf_hash(bytes([at])) for at in range(40)]
    for size in range(1, 41):
        tree = Tree(leaves[:size])
        assert tree.root == recursive_root(leaves[:size])
        for index in range(size):
            proof = tree.proof(index)
            assert verify(leaves[index], index, size, proof, tree.root)
            for other in {index - 1, index + 1, index ^ 2, size, -1} - {index}:
                assert not verify(leaves[index], other, size, proof, tree.root)
            assert not verify(leaves[(index + 1) % 40], index, size, proof, tree.root)
            assert not verify(leaves[index], index, size, [*proof, tree.root], tree.root)
            if proof:
                assert not verify(leaves[index], index, size, proof[:-1], tree.root)
                assert not verify(leaves[index], index, size, proof[::-1], tree.root) or proof == proof[::-1]


@settings(max_examples=60)
@given(size=st.integers(1, 60), data=st.data())
def test_a_flipped_bit_anywhere_breaks_the_proof(size, data):
    """RND-043: leaf, proof and root: no bit of them may change."""
    leaves = [leaf_hash(at.to_bytes(2, "big")) for at in range(size)]
    tree = Tree(leaves)
    index = data.draw(st.integers(0, size - 1))
    parts = [leaves[index], *tree.proof(index), tree.root]
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[which] = (int.from_bytes(parts[which], "big") ^ 1 << bit).to_bytes(32, "big")

    assert not verify(parts[0], index, size, parts[1:-1], parts[-1])


def test_no_proof_outside_the_tree():
    """RND-044: an index that is not in the tree is an error, not a wrong proof."""
    with pytest.raises(IndexError, match="8 leaves"):
        Tree(HASHES).proof(8)
    with pytest.raises(IndexError):
        Tree([]).proof(0)


def test_slot_leaf_is_written_out():
    """RND-045: the canonical bytes of a slot, which an outsider must be able to make again."""
    leaf = slot_leaf("7", "ici=Y", 3, "SRT", bytes(16))

    assert leaf == (
        b"stratum.slot/1\x00"
        b"\x00\x00\x00\x017"
        b"\x00\x00\x00\x05ici=Y"
        b"\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x03"
        b"\x00\x00\x00\x03SRT"
        b"\x00\x00\x00\x10" + bytes(16)
    )
    assert leaf_hash(leaf).hex() == hashlib.sha256(b"\x00" + leaf).hexdigest()


fields = st.tuples(
    st.text(max_size=4),
    st.text(max_size=4),
    st.integers(1, 300),
    st.text(max_size=4),
    st.binary(min_size=16, max_size=18),
)


@settings(max_examples=200)
@given(one=fields, two=fields)
def test_two_slots_never_share_their_bytes(one, two):
    """RND-046: no text can run over from one field into the next."""
    assert (slot_leaf(*one) == slot_leaf(*two)) == (one == two)


@pytest.mark.parametrize(("position", "salt"), [(0, bytes(16)), (1, bytes(15)), (1, b"")])
def test_a_slot_needs_a_place_and_a_salt(position, salt):
    """RND-047: without 128 bits of salt an arm could be guessed from its hash."""
    with pytest.raises(ValueError, match=r"Positions|salt"):
        slot_leaf("7", "all", position, "SRT", salt)


def slots(arms="ABBA", strata=("s=2", "s=1")):
    """Slots of two strata, in no particular order of strata, each with a salt of its own."""
    return [
        SaltedSlot(stratum, position, arm, hashlib.sha256(f"{stratum}{position}".encode()).digest())
        for stratum in strata
        for position, arm in enumerate(arms, start=1)
    ]


def test_commitment_proves_each_slot_in_its_place():
    """RND-048: each slot's proof holds; a changed arm, salt, place, stratum, list or order does not."""
    commitment = Commitment("7", slots())
    assert commitment.root == Commitment("7", slots()[::-1]).root  # the order of arrival does not matter
    assert commitment.index("s=1", 1) == 0  # strata in the order of their labels

    for slot in slots():
        place: dict[str, Any] = {
            "index": commitment.index(slot.stratum, slot.position),
            "size": len(commitment),
            "proof": commitment.proof(slot.stratum, slot.position),
            "root": commitment.root,
        }
        assert verify_slot("7", slot, **place)
        assert not verify_slot("8", slot, **place)
        other = "A" if slot.arm == "B" else "B"
        for forged in (
            SaltedSlot(slot.stratum, slot.position, other, slot.salt),
            SaltedSlot(slot.stratum, slot.position + 1, slot.arm, slot.salt),
            SaltedSlot("s=3", slot.position, slot.arm, slot.salt),
            SaltedSlot(slot.stratum, slot.position, slot.arm, bytes(32)),
            SaltedSlot(slot.stratum, slot.position, slot.arm, b"short"),
        ):
            assert not verify_slot("7", forged, **place)


def test_commitment_refuses_holes_doubles_and_shared_salts():
    """RND-049: what is committed is a whole list."""
    whole = slots()
    with pytest.raises(ValueError, match="is there twice"):
        Commitment("7", [*whole, whole[0]])
    with pytest.raises(ValueError, match="follows a hole at 2"):
        Commitment("7", [slot for slot in whole if slot.position != 2])
    with pytest.raises(ValueError, match="salt of another"):
        Commitment("7", [SaltedSlot("all", 1, "A", bytes(16)), SaltedSlot("all", 2, "B", bytes(16))])


def test_a_salted_slot_prints_neither_arm_nor_salt():
    """RND-050: it may appear in an error report."""
    assert repr(SaltedSlot("s=1", 4, "MARKER", b"m" * 32)) == "SaltedSlot(stratum='s=1', position=4)"
