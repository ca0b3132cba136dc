"""The relay: takes what transactions have announced from the outbox to the log, where subscribers read it.

One relays at a time, in the order of the outbox, so announcements of one key keep their order. It appends first and
stores its position then: what a crash leaves between the two is appended again (at least once, with the same `ce_id`).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from threading import Event

import structlog
from sqlalchemy import Engine

from core import cloudevents, outbox
from core.clock import Clock, system_clock
from core.errors import Unavailable
from core.log.port import Log, Record
from core.outbox import Announcement
from core.session import Session, turns

SINK = "log"
LOCK = "siyu.relay"
READ_ROWS_MAX = 100
RETENTION = timedelta(days=7)  # a reader of the outbox that was away for longer begins anew
WAIT_SECONDS = 0.5  # for rows whose notice came before an older transaction let them be read
RETRY_SECONDS = 1.0
TRIM_EVERY = timedelta(hours=1)

_logger = structlog.get_logger(__name__)


class Relay:
    """Takes announcements from the outbox of *engine* to *log*."""

    def __init__(self, engine: Engine, log: Log, clock: Clock = system_clock) -> None:
        self._engine = engine
        self._log = log
        self._clock = clock

    def run(self, stop: Event) -> None:
        """Relay until *stop* is set; while another relay is at it, wait to take over. Outages are waited out."""
        while not stop.is_set():
            try:
                with Session(self._engine, outbox.CHANNEL) as session:
                    self._follow(session, stop)
            except Unavailable as error:
                _logger.warning("relay.unavailable", reason=str(error))
                stop.wait(RETRY_SECONDS)

    def drain(self) -> int:
        """Relay all that can be read, and return how much it was: none while another relay is at it."""
        with Session(self._engine, outbox.CHANNEL) as session:
            return self._relay(session, Event()) if session.try_lock(LOCK) else 0

    def trim(self, older_than: timedelta = RETENTION) -> int:
        """Remove what every sink has passed and is older than that, and return how many rows it was."""
        with Session(self._engine, outbox.CHANNEL) as session:
            return self._trim(session, older_than)

    def _follow(self, session: Session, stop: Event) -> None:
        trim_at = self._clock()
        for _ in turns(session, LOCK, stop, WAIT_SECONDS):
            self._relay(session, stop)
            if self._clock() >= trim_at:
                self._trim(session, RETENTION)
                trim_at = self._clock() + TRIM_EVERY

    def _relay(self, session: Session, stop: Event) -> int:
        # All of it through the session that holds the lock: who has lost it neither reads on nor moves the position.
        relayed = 0
        with session.connection() as connection:
            cursor = outbox.position(connection, SINK)
            while not stop.is_set() and (rows := outbox.read(connection, cursor, READ_ROWS_MAX)):
                announcements = list(chain.from_iterable(row.announcements for row in rows))
                self._append(announcements)
                cursor = rows[-1].cursor
                outbox.store_position(connection, SINK, cursor)
                relayed += len(announcements)
        return relayed

    def _append(self, announcements: Sequence[Announcement]) -> None:
        by_topic: dict[str, list[Record]] = defaultdict(list)
        for announcement in announcements:
            by_topic[announcement.topic].append(cloudevents.binary(announcement))
        for topic, records in by_topic.items():
            self._log.append(topic, records)

    def _trim(self, session: Session, older_than: timedelta) -> int:
        removed = 0
        with session.connection() as connection:
            while rows := outbox.trim(connection, self._clock() - older_than):
                removed += rows
        return removed
