"""Questions that wait for a platform's answer, each until it is answered, and which are not to be asked again.

About whom one is stands here in clear only as long as it waits; then his blind index is left.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, DateTime, Index, Table, Text, Uuid, func, select, text

from core.database import metadata, run
from core.identifier import BlindIndex, Identifier
from ingest.enrichment import Answer, Outcome, Question, Step

CHANNEL = "siyu_enrichment"

question_table = Table(
    "question",
    metadata,
    Column("account", Text, primary_key=True),
    Column("identifier", Uuid, primary_key=True, comment="blind: about whom"),
    Column("namespace", Text, nullable=False),
    Column("value", Text, comment="about whom, until it is answered"),
    Column("beside", Text, comment="what is said with it"),
    Column(
        "due_at",
        DateTime(timezone=True),
        comment="with a value: not before; without: may be asked again from then on; NULL: never",
    ),
    Index(None, "account", "namespace", "due_at", postgresql_where=text("value IS NOT NULL")),
)


def note(connection: Connection, steps: Sequence[Step], index: BlindIndex, now: datetime) -> None:
    """Note what *steps* say: what is to be asked unless it was lately, what is known, and who has left."""
    rows: dict[Outcome, list[Mapping[str, object]]] = {outcome: [] for outcome in Outcome}
    for step in sorted(steps, key=lambda step: (step.question.account, step.question.identifier)):
        rows[step.outcome].append(_row(step.question, index))
    run(connection, _ASK, rows[Outcome.ASK], now=now)
    run(connection, _KNOWN, rows[Outcome.KNOWN])
    run(connection, _LEFT, rows[Outcome.LEFT])
    if rows[Outcome.ASK]:
        connection.execute(select(func.pg_notify(CHANNEL, "")))


def due(
    connection: Connection, account: str, namespace: str, scope: str, now: datetime, questions_max: int
) -> Sequence[Question]:
    """Return the questions of one kind, about identifiers in *scope*, that wait longest."""
    columns = question_table.c
    waiting = (
        select(columns.value, columns.beside)
        .where(columns.account == account, columns.namespace == namespace)
        .where(columns.value.is_not(None), columns.due_at <= now)
        .order_by(columns.due_at, columns.identifier)
        .limit(questions_max)
    )
    return [
        Question(account, Identifier(namespace, scope, row.value), row.beside) for row in connection.execute(waiting)
    ]


def settle(connection: Connection, answers: Sequence[Answer], index: BlindIndex, now: datetime) -> None:
    """Note that *answers* were given."""
    rows = [
        {
            **_row(answer.question, index),
            "due_at": None if answer.again_after is None else (now + answer.again_after).isoformat(),
        }
        for answer in answers
    ]
    run(connection, _SETTLE, rows)


def _row(question: Question, index: BlindIndex) -> Mapping[str, object]:
    about = question.identifier
    return {
        "account": question.account,
        "identifier": index(about),
        "namespace": about.namespace,
        "value": about.value,
        "beside": question.beside,
    }


_ASK = """
INSERT INTO question (account, identifier, namespace, value, beside, due_at)
SELECT account, identifier, namespace, value, beside, :now
FROM json_to_recordset(:rows) AS r(account text, identifier uuid, namespace text, value text, beside text)
ON CONFLICT (account, identifier) DO UPDATE
SET value = EXCLUDED.value, beside = EXCLUDED.beside, due_at = EXCLUDED.due_at
WHERE question.value IS NULL AND question.due_at <= EXCLUDED.due_at
"""
_KNOWN = """
INSERT INTO question (account, identifier, namespace)
SELECT account, identifier, namespace FROM json_to_recordset(:rows) AS r(account text, identifier uuid, namespace text)
ON CONFLICT (account, identifier) DO UPDATE SET value = NULL, beside = NULL, due_at = NULL
WHERE question.due_at IS NOT NULL
"""
_LEFT = """
DELETE FROM question USING json_to_recordset(:rows) AS r(account text, identifier uuid)
WHERE question.account = r.account AND question.identifier = r.identifier
"""
_SETTLE = """
UPDATE question SET value = NULL, beside = NULL, due_at = r.due_at
FROM json_to_recordset(:rows) AS r(account text, identifier uuid, due_at timestamptz)
WHERE question.account = r.account AND question.identifier = r.identifier
"""
