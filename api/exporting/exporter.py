"""Makes the files of exports, one at a time: the loop beside an API process.

Rows are read in one state of the database and written to a temporary file, so that memory holds a thousand of them at most; then
the file is kept with its job in one transaction.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from threading import Event
from typing import BinaryIO

import structlog
from sqlalchemy import Engine

from api.exporting import sources
from api.exporting.sources import Source
from api.exporting.wishes import WISH
from core import jobs
from core.clock import Clock
from core.database import transaction
from core.errors import Contended, InvalidEvent, NotFound, Refused, SiyuError, Unavailable
from core.jobs import Job, Overtaken
from core.session import Session
from profiles import intent, writers
from profiles.scoring import Scoring
from profiles.writers import Row

RESULT_BYTES_MAX = 4 << 30
WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0
REPORT_SECONDS = 1.0
REPORT_ROWS = 100
FORGET_EVERY = timedelta(minutes=1)

_log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The process ends while an export is being made."""


class Exporter:
    """Makes the exports that are asked for in the database of *engine*."""

    def __init__(self, engine: Engine, intent_rules: intent.Rules, clock: Clock) -> None:
        self._engine = engine
        self._rules = intent_rules
        self._clock = clock

    def run(self, stop: Event) -> None:
        """Make exports until *stop* is set; one under way is then put back. Outages are waited out."""
        while not stop.is_set():
            try:
                with Session(self._engine, jobs.CHANNEL) as session:
                    self._follow(session, stop)
            except (Unavailable, Contended) as error:
                _log.warning("export.unavailable", reason=str(error))
                stop.wait(RETRY_SECONDS)

    def _follow(self, session: Session, stop: Event) -> None:
        forget_at = self._clock()
        while not stop.is_set():
            if self._clock() >= forget_at:
                forget_at = self._forget()
            job = jobs.take(session, self._clock())
            if job is None:
                session.wait(WAIT_SECONDS)
            else:
                self._make(job, stop)
                jobs.release(session, job.id)

    def _forget(self) -> datetime:
        with transaction(self._engine) as connection:
            jobs.forget(connection, self._clock())
        return self._clock() + FORGET_EVERY

    def _make(self, job: Job, stop: Event) -> None:
        try:
            self._end(job, stop)
        except Overtaken:
            _log.warning("export.overtaken", job=job.id)

    def _end(self, job: Job, stop: Event) -> None:
        try:
            with TemporaryFile() as file:
                rows = self._write(job, file, stop)
                with transaction(self._engine) as connection:
                    jobs.end(connection, job, rows, file, self._clock())
        except Stopped:
            with transaction(self._engine) as connection:
                jobs.put_back(connection, job)
        except InvalidEvent as error:
            self._fail(job, error.detail)
        except (NotFound, Refused) as error:
            self._fail(job, str(error))
        except (SiyuError, Overtaken):
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it is this export's, and not that of those behind it
            _log.exception("export.failed", job=job.id)
            self._fail(job, "an error that nobody foresaw: it is in the log of the process")

    def _write(self, job: Job, file: BinaryIO, stop: Event) -> int:
        wish = WISH.validate_python(job.asked)
        with sources.reading_at_leisure(self._engine) as connection:
            source = sources.source(connection, wish, Scoring(self._rules, self._clock()))
            watched = _Watched(self._engine, job, source, file, stop)
            writers.write(watched.rows(source.rows), source.form, wish.format, file)
        return watched.done

    def _fail(self, job: Job, error: str) -> None:
        with transaction(self._engine) as connection:
            jobs.fail(connection, job, error, self._clock())


class _Watched:
    """Rows on their way into a file: counted, told of, and stopped where they are too many or the process ends."""

    def __init__(self, engine: Engine, job: Job, source: Source, file: BinaryIO, stop: Event) -> None:
        self.done = 0
        self._engine = engine
        self._job = job
        self._expected = source.expected
        self._file = file
        self._stop = stop
        self._reported_at = 0.0

    def rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Return *rows*. Raises `Stopped`, `Overtaken`, and `Refused` where the file is too large."""
        self._look()
        for row in rows:
            yield row
            self.done += 1
            if self.done % REPORT_ROWS == 0:
                self._look()

    def _look(self) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._file.tell() > RESULT_BYTES_MAX:
            raise Refused(f"an export has at most {RESULT_BYTES_MAX >> 30} GiB: ask for a part of it")
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            with transaction(self._engine) as connection:
                jobs.report(connection, self._job, self.done, self._expected)
            self._reported_at = time.monotonic()
