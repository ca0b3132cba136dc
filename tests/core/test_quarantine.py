"""What could not be taken is kept whole, once, whatever it is."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from core import quarantine
from core.database import transaction
from core.quarantine import Quarantined

NOW = datetime(2026, 11, 3, tzinfo=UTC)
RECORD = Quarantined("siyu.events.v1", 0, 7, "invalid_json", "this is not JSON", "k", b"\x00\xff{", NOW)


def recorded(engine: Engine, *refused: Quarantined) -> None:
    with transaction(engine) as connection:
        quarantine.record(connection, refused)


def kept(engine: Engine) -> list[Quarantined]:
    with transaction(engine) as connection:
        columns = "topic, partition, position, code, detail, key, value, at"
        rows = connection.execute(text(f"SELECT {columns} FROM quarantine ORDER BY topic, partition, position"))
        return [Quarantined(*row) for row in rows]


def size(engine: Engine) -> int:
    with transaction(engine) as connection:
        return quarantine.size(connection)


def test_a_record_is_kept_as_it_was(engine: Engine) -> None:
    recorded(engine, RECORD)

    assert kept(engine) == [RECORD]
    assert size(engine) == 1


def test_nothing_is_kept_of_nothing(engine: Engine) -> None:
    recorded(engine)

    assert size(engine) == 0


def test_a_record_that_is_read_again_is_kept_once_with_its_first_reason(engine: Engine) -> None:
    recorded(engine, RECORD)

    recorded(engine, replace(RECORD, code="unstorable"), replace(RECORD, position=8))

    assert kept(engine) == [RECORD, replace(RECORD, position=8)]


def test_positions_of_different_partitions_are_different_records(engine: Engine) -> None:
    recorded(engine, RECORD, replace(RECORD, partition=1), replace(RECORD, topic="other"))

    assert size(engine) == 3


def test_even_what_no_text_can_hold_is_kept(engine: Engine) -> None:
    """Were it not, it would be read again for ever, and nothing behind it would ever be taken."""
    recorded(engine, replace(RECORD, key="a\0b", detail="/article/\0: no such field"))

    (record,) = kept(engine)
    assert (record.key, record.detail) == (
        "a\N{REPLACEMENT CHARACTER}b",
        "/article/\N{REPLACEMENT CHARACTER}: no such field",
    )
    assert record.value == RECORD.value
