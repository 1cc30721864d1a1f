"""A list from a CSV file: what is taken, and every fault with its row and without a cell of the file."""

import pytest

from randomization.algorithms import ArmRatio, ParameterError, current, imported
from randomization.algorithms.imported import MAX_BYTES, MOST_FAULTS, fingerprint, read

ARMS = ("SRT", "SWITCH")
STRATA = ["ici=Y", "ici=N"]
GOOD = "stratum,position,arm\nici=N,1,SRT\nici=N,2,SWITCH\nici=Y,2,SRT\nici=Y,1,SWITCH\n"


def slots_of(text, size=2):
    content = text if isinstance(text, bytes) else text.encode()
    return read(content, arms=ARMS, strata=STRATA, size=size)


def faults_of(text, size=2):
    with pytest.raises(ParameterError) as caught:
        slots_of(text, size)
    assert not any(arm in str(caught.value) for arm in (*ARMS, "ZQARM"))
    return [(fault.code, fault.place) for fault in caught.value.faults]


def test_rows_in_any_order_become_slots_in_order():
    """RND-140: strata as the study has them, positions from 1; the file's order says nothing."""
    assert [(slot.stratum, slot.position, slot.arm) for slot in slots_of(GOOD)] == [
        ("ici=Y", 1, "SWITCH"),
        ("ici=Y", 2, "SRT"),
        ("ici=N", 1, "SRT"),
        ("ici=N", 2, "SWITCH"),
    ]
    assert "SWITCH" not in repr(slots_of(GOOD))


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace(",", ";"),
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("ici=N,1,SRT", '"ici=N"," 1 ","SRT"') + "\n,,\n\n",
        "Arm,Position,Stratum\nSWITCH,1,ici=Y\nSRT,2,ici=Y\nSRT,1,ici=N\nSWITCH,2,ici=N",
    ],
)
def test_files_as_spreadsheets_write_them_are_the_same_list(text):
    """RND-141: semicolons, a byte order mark, Windows line ends, quotes, empty rows, columns in any order."""
    assert slots_of(text) == slots_of(GOOD)
    assert fingerprint(slots_of(text)) == fingerprint(slots_of(GOOD))


def test_own_numbers_are_kept_with_their_slots():
    """RND-142: the sponsor's number of each slot, once each."""
    rows = GOOD.strip().split("\n")
    text = "\n".join([rows[0] + ",number", *(f"{row},K-{at:03d}" for at, row in enumerate(rows[1:], start=1))])

    assert [slot.number for slot in slots_of(text)] == ["K-004", "K-003", "K-001", "K-002"]
    assert fingerprint(slots_of(text)) != fingerprint(slots_of(GOOD))
    assert faults_of(text.replace("K-003", "K-001")) == [("RND159", "row 4")]
    assert faults_of(text.replace("K-003", "")) == [("RND158", "row 4")]
    assert faults_of(text.replace("K-003", "K" * 17)) == [("RND158", "row 4")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("RND152", "file")]),
        (" \r\n", [("RND152", "file")]),
        ("stratum,position,arm\n", [("RND152", "file")]),
        (GOOD.encode("utf-16"), [("RND153", "file")]),
        (GOOD.replace("SRT", "É").encode("latin-1"), [("RND153", "file")]),
        (GOOD.replace("arm", "treatment"), [("RND154", "file")]),
        (GOOD.replace("position", "arm"), [("RND154", "file")]),
        (GOOD.replace("arm\n", "arm,block\n"), [("RND154", "file")]),
        (GOOD[GOOD.index("\n") + 1 :], [("RND154", "file")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=N,2"), [("RND162", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", 'ici=N,2,"SW'), [("RND163", "row 5")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=N,2,ZQARM"), [("RND155", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=N,2,srt"), [("RND155", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=ZQARM,2,SWITCH"), [("RND156", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", "SWITCH,2,ici=N"), [("RND156", "row 3"), ("RND155", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=N,two,SWITCH"), [("RND157", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=N,0,SWITCH"), [("RND157", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=N,1.0,SWITCH"), [("RND157", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=N,3,SWITCH"), [("RND161", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH", "ici=N,1,SWITCH"), [("RND160", "row 3")]),
        (GOOD.replace("ici=N,2,SWITCH\n", ""), [("RND164", "stratum ici=N")]),
        (GOOD.replace("ici=N,1,SRT\n", ""), [("RND164", "stratum ici=N")]),
        (GOOD.replace("ici=N", "ici=Y").replace(",1,", ",3,", 1).replace(",2,", ",4,", 1),
         [("RND161", "row 2"), ("RND161", "row 3")]),
        (b"a" * (MAX_BYTES + 1), [("RND151", "file")]),
    ],
)  # fmt: skip
def test_each_fault_names_its_row_and_no_cell(text, expected):
    """RND-143: unknown arm or stratum, slot twice, hole, cut file, wrong header, not UTF-8, too large, empty."""
    assert faults_of(text) == expected


def test_all_faults_are_said_at_once_up_to_a_number():
    """RND-144: every row is looked at; a file that is wrong everywhere says how many more faults there are."""
    rows = "".join(f"ici=N,{at},ZQARM\n" for at in range(1, 101))

    found = faults_of("stratum,position,arm\n" + rows, size=100)

    assert found[:2] == [("RND155", "row 2"), ("RND155", "row 3")]
    assert len(found) == MOST_FAULTS + 1
    assert found[-1] == ("RND165", "file")


def test_a_changed_slot_changes_the_fingerprint():
    """RND-145: what was imported can be held against the list later."""
    one, other = slots_of(GOOD), slots_of(GOOD.replace("ici=N,1,SRT", "ici=N,1,SWITCH"))

    assert fingerprint(one) == fingerprint(one[::-1]) != fingerprint(other)


def test_an_imported_list_is_never_made_from_a_seed():
    """RND-146: the scheme exists, and drafting it says to import the file."""
    algorithm = current("imported")

    with pytest.raises(ParameterError) as caught:
        algorithm.generate(bytes(32), "all", [ArmRatio("A", 1), ArmRatio("B", 1)], [], 8)
    assert [fault.code for fault in caught.value.faults] == ["RND150"]
    assert imported.check([ArmRatio("A", 1)], [], 8)[0].code == "RND101"
