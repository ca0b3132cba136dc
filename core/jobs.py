"""Jobs: what somebody asked for and nobody can wait for, and the file that comes of it.

A job is *queued*, then *running*, and at last *done* or *failed*. Who runs it holds a lock of a database session, which ends with
his process: what is running and locked by nobody was left by one that died, and is taken up again. Each taking up counts as an
attempt, and who was overtaken (his session was lost while he went on) can neither report nor end it any more.

The file lies in the database, in parts: so any process can hand it out, and it goes with its job, in one transaction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, BinaryIO
from uuid import uuid4

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from core.database import AnyRow, copy, metadata
from core.errors import NotFound, Overloaded
from core.session import Session, lock_key

job_table = Table(
    "job",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False, comment="whose it is"),
    Column("asked", JSON, nullable=False),
    Column("is_clear", Boolean, nullable=False, comment="whoever asked may see who people are"),
    Column("status", Text, nullable=False, comment="queued, running, done or failed"),
    Column("attempts", Integer, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("rows_done", BigInteger, nullable=False),
    Column("rows_expected", BigInteger),
    Column("size_bytes", BigInteger),
    Column("error", Text),
)

job_part_table = Table(
    "job_part",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

CHANNEL = "siyu_job"
WAITING_MAX = 100  # queued, of everybody together
ATTEMPTS_MAX = 3
CANDIDATES_MAX = 100
PART_BYTES_MAX = 1 << 20
KEPT = timedelta(hours=24)  # from its end on


class Status(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """What *key* *asked* for, and what has become of it; *size_bytes* is the file's."""

    id: str
    key: str
    asked: Mapping[str, Any]
    is_clear: bool
    status: Status
    attempts: int
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    rows_done: int
    rows_expected: int | None
    size_bytes: int | None
    error: str | None

    @property
    def expires_at(self) -> datetime | None:
        """When it will be forgotten; `None` before its end."""
        return self.ended_at + KEPT if self.ended_at else None


class Overtaken(Exception):
    """Somebody else has taken the job up."""


_COLUMNS = (
    "id::text, key, asked, is_clear, status, attempts, asked_at, started_at, ended_at, rows_done, rows_expected,"
    " size_bytes, error"
)


def ask(connection: Connection, key: str, asked: Mapping[str, Any], now: datetime, *, is_clear: bool) -> Job:
    """Queue a job, and tell those who wait for one. Raises `Overloaded` where too many are queued."""
    queued = connection.execute(text("SELECT count(*) FROM job WHERE status = 'queued'")).scalar_one()
    if queued >= WAITING_MAX:
        raise Overloaded("too many jobs wait already", retry_after_seconds=60)
    row = connection.execute(
        _ASK,
        {"id": str(uuid4()), "key": key, "asked": orjson.dumps(asked).decode(), "is_clear": is_clear, "now": now},
    ).one()
    connection.execute(text(f"NOTIFY {CHANNEL}"))
    return _job(row)


_ASK = text(
    f"""
    INSERT INTO job (id, key, asked, is_clear, status, attempts, asked_at, rows_done)
    VALUES (CAST(:id AS uuid), :key, CAST(:asked AS json), :is_clear, 'queued', 0, :now, 0) RETURNING {_COLUMNS}
    """  # noqa: S608 - no value in it
)


def found(connection: Connection, job_id: str) -> Job:
    """Return a job. Raises `NotFound`, also where it has been forgotten since."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM job WHERE id = CAST(:id AS uuid)"),  # noqa: S608 - no value in it
        {"id": job_id},
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such job, or it ended too long ago")
    return _job(row)


def take(session: Session, now: datetime) -> Job | None:
    """Return the oldest job that nobody runs, which is then locked by *session*; `None` where there is none.

    One that was begun `ATTEMPTS_MAX` times has failed.
    """
    with session.connection() as connection:
        for job_id in _open(connection):
            if not session.try_lock(CHANNEL, lock_key(job_id)):
                continue
            row = connection.execute(_TAKE, {"id": job_id, "now": now, "most": ATTEMPTS_MAX}).one_or_none()
            if row is not None and row.status == Status.RUNNING:
                return _job(row)
            release(session, job_id)
    return None


def _open(connection: Connection) -> list[str]:
    rows = connection.execute(
        text(
            "SELECT id::text FROM job WHERE status IN ('queued', 'running') ORDER BY status, asked_at, id LIMIT :most"
        ),
        {"most": CANDIDATES_MAX},
    )
    return [*rows.scalars()]


_TAKE = text(
    f"""
    UPDATE job SET status = CASE WHEN attempts < :most THEN 'running' ELSE 'failed' END,
                   error = CASE WHEN attempts < :most THEN NULL ELSE 'it was begun again and again, and never ended' END,
                   ended_at = CASE WHEN attempts < :most THEN NULL ELSE :now END,
                   attempts = attempts + 1, started_at = :now, rows_done = 0
     WHERE id = CAST(:id AS uuid) AND status IN ('queued', 'running') RETURNING {_COLUMNS}
    """  # noqa: S608 - no value in it
)


def release(session: Session, job_id: str) -> None:
    """Let go of the lock on a job."""
    with session.connection() as connection:
        connection.execute(
            text("SELECT pg_advisory_unlock(:key, :number)"), {"key": lock_key(CHANNEL), "number": lock_key(job_id)}
        )


def report(connection: Connection, job: Job, rows_done: int, rows_expected: int) -> None:
    """Say how far *job* is. Raises `Overtaken`."""
    _change(
        connection,
        job,
        "rows_done = :rows_done, rows_expected = :rows_expected",
        rows_done=rows_done,
        rows_expected=rows_expected,
    )


def put_back(connection: Connection, job: Job) -> None:
    """Queue *job* again, as if it had never been taken. Raises `Overtaken`."""
    _change(connection, job, "status = 'queued', attempts = attempts - 1, rows_done = 0, started_at = NULL")
    connection.execute(text(f"NOTIFY {CHANNEL}"))


def end(connection: Connection, job: Job, rows: int, file: BinaryIO, now: datetime) -> None:
    """Keep *file*, from its beginning, as what came of *job*: so many *rows*. Raises `Overtaken`."""
    size_bytes = file.seek(0, 2)
    _change(
        connection,
        job,
        "status = 'done', ended_at = :now, rows_done = :rows, rows_expected = :rows, size_bytes = :size_bytes",
        now=now,
        rows=rows,
        size_bytes=size_bytes,
    )
    file.seek(0)
    copy(connection, "job_part", ("job_id", "number", "body"), _parts(job.id, file))


def fail(connection: Connection, job: Job, error: str, now: datetime) -> None:
    """Say why nothing came of *job*. Raises `Overtaken`."""
    _change(connection, job, "status = 'failed', ended_at = :now, error = :error", now=now, error=error)


def part(connection: Connection, job_id: str, number: int) -> bytes:
    """Return a part of the file of a job, counted from 0; empty behind the last."""
    body = connection.execute(
        text("SELECT body FROM job_part WHERE job_id = CAST(:id AS uuid) AND number = :number"),
        {"id": job_id, "number": number},
    ).scalar()
    return bytes(body or b"")


def forget(connection: Connection, now: datetime) -> int:
    """Forget the jobs that ended too long ago, with their files, and return how many it were."""
    gone = connection.execute(
        text("DELETE FROM job WHERE ended_at < :before RETURNING id::text"), {"before": now - KEPT}
    )
    ids = [*gone.scalars()]
    connection.execute(
        text("DELETE FROM job_part WHERE job_id = ANY(CAST(:ids AS uuid[]))"), {"ids": "{" + ",".join(ids) + "}"}
    )
    return len(ids)


def _change(connection: Connection, job: Job, assignments: str, **values: object) -> None:
    changed = connection.execute(
        text(
            f"UPDATE job SET {assignments}"  # noqa: S608 - no value in it
            " WHERE id = CAST(:id AS uuid) AND status = 'running' AND attempts = :attempts"
        ),
        {"id": job.id, "attempts": job.attempts, **values},
    )
    if changed.rowcount == 0:
        raise Overtaken


def _parts(job_id: str, file: BinaryIO) -> Iterator[tuple[str, int, bytes]]:
    number = 0
    while body := file.read(PART_BYTES_MAX):
        yield job_id, number, body
        number += 1


def _job(row: AnyRow) -> Job:
    job_id, key, asked, is_clear, status, *rest = row
    return Job(job_id, key, asked, is_clear, Status(status), *rest)
