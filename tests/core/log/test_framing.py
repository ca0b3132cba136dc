"""How records become the body of a batch, and which partition a key belongs to."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.log import postgres
from core.log.partition import partition_of
from core.log.port import Record
from core.log.postgres import pack, unpack

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_RECORDS = st.lists(st.builds(Record, _TEXT, st.binary(), st.dictionaries(_TEXT, _TEXT)), min_size=1)


@given(_RECORDS)
def test_what_was_packed_is_unpacked(records: list[Record]) -> None:
    unpacked = [record for _, body in pack(records) for record in unpack(body)]

    assert unpacked == records


def test_a_body_ends_before_it_grows_too_large() -> None:
    records = [Record("key", bytes(postgres.BODY_BYTES_MAX // 3)) for _ in range(5)]

    bodies = pack(records)

    assert [count for count, _ in bodies] == [2, 2, 1]
    assert all(len(body) <= postgres.BODY_BYTES_MAX + 1 for _, body in bodies)


def test_a_record_larger_than_a_body_has_one_to_itself() -> None:
    small, large = Record("key", b"small"), Record("key", bytes(2 * postgres.BODY_BYTES_MAX))

    assert [count for count, _ in pack([small, large, small])] == [1, 1, 1]


def test_an_unknown_framing_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="unknown way"):
        unpack(b"\x02" + bytes(12))


def test_the_partition_of_a_key_never_changes() -> None:
    keys = [str(UUID(int=number)) for number in range(6)]

    assert [partition_of(key, 8) for key in keys] == [1, 7, 5, 3, 0, 6]


@given(_TEXT, st.integers(min_value=1, max_value=64))
def test_every_key_has_a_partition(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
