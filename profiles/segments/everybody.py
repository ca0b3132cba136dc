"""Everybody in SQL: of whom a condition holds, and until when at the earliest that stands by itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from core.database import transaction
from core.identifier import IdentifierId, PersonId
from profiles.segments.conditions import (
    Condition,
)
from profiles.segments.judging import Measure
from profiles.segments.question import Question
from profiles.segments.rulesets import RuleSet

PART_PEOPLE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Standing:
    """That a person, who stood in the band *before*, stands in *after* (`None`: in none), *until* when at the earliest."""

    person: PersonId
    before: str | None
    after: str | None
    until: datetime | None


def differences(
    engine: Engine, of: RuleSet, conditions: Sequence[Condition], by: Measure
) -> Iterator[Sequence[Standing]]:
    """Yield, by person and `PART_PEOPLE_MAX` at a time, where people stand by *conditions*, those of the bands of *of* with
    nothing in them by name: all who do not stand where they are written to, and all who will not stand there for good.

    All of it is one state of the database, read by a transaction that writes nothing and so holds nobody up.
    """
    question = Question(by)
    bands = zip((question.expression(each) for each in conditions), of.bands, strict=False)
    told = question.statement(question.banded(bands))
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with transaction(reading) as connection:
        statement = text(_DIFFERENCES.format(told=told))
        parameters = {**question.parameters, "set_name": of.name}
        rows = connection.execute(statement, parameters, execution_options={"yield_per": PART_PEOPLE_MAX})
        for part in rows.partitions():
            yield [Standing(*row) for row in part]


_DIFFERENCES = """
    SELECT coalesce(told.person, known.person)::text, known.band, told.band, told.until
      FROM ({told}) AS told
      FULL JOIN (SELECT person_id AS person, band FROM membership WHERE set_name = :set_name) AS known
        ON known.person = told.person
     WHERE known.band IS DISTINCT FROM told.band OR told.until IS NOT NULL ORDER BY 1
"""


def standings(
    connection: Connection, of: RuleSet, conditions: Sequence[Condition], by: Measure
) -> Mapping[PersonId, tuple[str | None, datetime | None]]:
    """Return the band in which everybody stands by *conditions*, and until when at the earliest; those in none for good are left
    out."""
    question = Question(by)
    bands = zip((question.expression(each) for each in conditions), of.bands, strict=True)
    rows = connection.execute(text(question.statement(question.banded(bands))), question.parameters)
    return {PersonId(IdentifierId(str(row[0]))): (row[1], row[2]) for row in rows}


def count(connection: Connection, condition: Condition, by: Measure) -> int:
    """Return of how many people *condition* holds."""
    question = Question(by)
    statement = question.statement(f"CASE WHEN {question.expression(condition)} THEN '' END")
    counted = f"SELECT count(*) FROM ({statement}) AS told WHERE band IS NOT NULL"  # noqa: S608 - no value in it
    return int(connection.execute(text(counted), question.parameters).scalar_one())


def some(connection: Connection, condition: Condition, by: Measure, most: int) -> Sequence[PersonId]:
    """Return up to *most* people of whom *condition* holds, by id."""
    question = Question(by)
    statement = question.statement(f"CASE WHEN {question.expression(condition)} THEN '' END")
    told = f"SELECT person::text FROM ({statement}) AS told WHERE band IS NOT NULL ORDER BY person LIMIT :most"  # noqa: S608 - no value in it
    return list(connection.execute(text(told), {**question.parameters, "most": most}).scalars())


def shifts(
    connection: Connection, of: RuleSet, conditions: Sequence[Condition], by: Measure
) -> Mapping[tuple[str | None, str | None], int]:
    """Return how many people who stand in one band of what is called as *of* is would stand in another by *conditions*; `None` is
    none."""
    question = Question(by)
    told = question.statement(question.banded(zip((question.expression(c) for c in conditions), of.bands, strict=True)))
    statement = f"""
        SELECT known.band, told.band, count(*) FROM ({told}) AS told
          FULL JOIN (SELECT person_id AS person, band FROM membership WHERE set_name = :set_name) AS known
            ON known.person = told.person
         WHERE known.band IS NOT NULL OR told.band IS NOT NULL GROUP BY 1, 2
    """  # noqa: S608 - no value in it
    rows = connection.execute(text(statement), {**question.parameters, "set_name": of.name})
    return {(row[0], row[1]): row[2] for row in rows}
