"""Delivers what is announced to webhooks: a reader of the outbox, beside the relay.

One process does it at a time. What is to be delivered is written down in the transaction that moves the place in the outbox,
and how an attempt ended once it has: what a crash leaves between the two is sent again under the same id (at least once). Each
webhook has so many attempts under way and no more: one that hangs holds up no other.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event

import structlog
from sqlalchemy import Connection, Engine, text

from api.webhooks import store
from api.webhooks.schedule import Chance, Outcome, verdict
from api.webhooks.sending import Sender
from api.webhooks.store import Delivery, Planned, Webhook
from core import cloudevents, outbox
from core.clock import Clock
from core.database import transaction
from core.errors import Contended, Unavailable
from core.identifier import IdentifierId, PersonId
from core.outbox import Announcement, Cursor
from core.session import Session, lock_key
from profiles.segments import store as segments

SINK = "webhooks"
LOCK = "siyu.webhooks"
READ_ROWS_MAX = 100
UNDER_WAY_MAX = 16  # attempts, for each webhook
WAIT_SECONDS = 0.5  # for news, and for what becomes due
RETRY_SECONDS = 5.0
FORGET_EVERY = timedelta(minutes=10)

_log = structlog.get_logger()


@dataclass
class Deliverer:
    """Delivers what is announced in the database of *engine*."""

    engine: Engine
    sender: Callable[[], Sender]  # each belongs to one event loop
    clock: Clock
    chance: Chance = field(default=random.random)
    end_seconds: float = 5.0  # for attempts under way when it is to end

    def run(self, stop: Event) -> None:
        """Deliver until *stop* is set; while another process is at it, wait to take over. Outages are waited out."""
        while not stop.is_set():
            try:
                with Session(self.engine, outbox.CHANNEL) as session:
                    while not stop.is_set() and not session.try_lock(LOCK):
                        session.wait(WAIT_SECONDS)
                    asyncio.run(self._deliver(session, stop))
            except (Unavailable, Contended) as error:
                _log.warning("webhooks.unavailable", reason=str(error))
                stop.wait(RETRY_SECONDS)

    async def _deliver(self, session: Session, stop: Event) -> None:
        under_way: dict[asyncio.Task[Outcome], Delivery] = {}
        forget_at = self.clock()
        async with self.sender() as sender:
            while not stop.is_set():
                if self.clock() >= forget_at:
                    await asyncio.to_thread(self._forget)
                    forget_at = self.clock() + FORGET_EVERY
                busy = list(under_way.values())
                wanted, is_behind = await asyncio.to_thread(self._next, session, busy)
                for webhook, delivery in wanted:
                    attempt = sender.send(webhook, delivery.event_id, delivery.body)
                    under_way[asyncio.create_task(attempt)] = delivery
                await self._wait(session, under_way, 0.0 if is_behind else WAIT_SECONDS)
                await self._settle_ended(under_way)
            if under_way:
                await asyncio.wait(under_way, timeout=self.end_seconds)
                await self._settle_ended(under_way)
            for task in under_way:  # sent again at the next start, under the same ids
                task.cancel()

    async def _settle_ended(self, under_way: dict[asyncio.Task[Outcome], Delivery]) -> None:
        ended = {task: under_way.pop(task) for task in list(under_way) if task.done()}
        if ended:
            await asyncio.to_thread(self._settle, [(each, task.result()) for task, each in ended.items()])

    @staticmethod
    async def _wait(session: Session, under_way: dict[asyncio.Task[Outcome], Delivery], seconds: float) -> None:
        if under_way:
            await asyncio.wait(under_way, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.to_thread(session.wait, seconds)

    def _next(self, session: Session, busy: Sequence[Delivery]) -> tuple[Sequence[tuple[Webhook, Delivery]], bool]:
        """Plan what has been announced, and return what is to be sent now, and whether more has been announced."""
        self._hold(session)
        with transaction(self.engine) as connection:
            webhooks = {each.id: each for each in store.listing(connection) if each.disabled_at is None}
            is_behind = self._plan(connection, list(webhooks.values()))
            due = store.due(connection, self.clock(), UNDER_WAY_MAX, [each.id for each in busy])
        room = Counter(dict.fromkeys(webhooks, UNDER_WAY_MAX))
        room.subtract(each.webhook_id for each in busy)
        taken = []
        for delivery in due:
            room[delivery.webhook_id] -= 1
            if room[delivery.webhook_id] >= 0:
                taken.append((webhooks[delivery.webhook_id], delivery))
        return taken, is_behind

    @staticmethod
    def _hold(session: Session) -> None:
        """Raise `Unavailable` where the session is lost, and with it the lock: another process delivers now."""
        with session.connection() as connection:
            connection.exec_driver_sql("SELECT 1")

    def _plan(self, connection: Connection, webhooks: Sequence[Webhook]) -> bool:
        # Whoever has lost the session between two looks at it plans nothing that another has planned.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key, 1)"), {"key": lock_key(LOCK)})
        cursor = outbox.position(connection, SINK)
        if cursor == Cursor():  # the first webhook hears of what comes, not of what was
            outbox.store_position(connection, SINK, outbox.latest(connection))
            return False
        rows = outbox.read(connection, cursor, READ_ROWS_MAX)
        if not rows:
            return False
        announcements = [each for row in rows for each in row.announcements]
        planned = [each for webhook in webhooks for each in _planned(connection, webhook, announcements)]
        store.plan(connection, planned, self.clock())
        outbox.store_position(connection, SINK, rows[-1].cursor)
        return len(rows) == READ_ROWS_MAX

    def _settle(self, ended: Sequence[tuple[Delivery, Outcome]]) -> None:
        now = self.clock()
        judged = [(each, outcome, verdict(outcome, each.attempts + 1, now, self.chance)) for each, outcome in ended]
        with transaction(self.engine) as connection:
            store.settle(connection, judged, now)

    def _forget(self) -> None:
        with transaction(self.engine) as connection:
            while store.forget(connection, self.clock()) == store.FORGET_ROWS_MAX:
                continue


def _planned(connection: Connection, webhook: Webhook, announcements: Sequence[Announcement]) -> Sequence[Planned]:
    """Return what of *announcements* is to be delivered to a webhook."""
    wanted = [each for each in announcements if webhook.types is None or cloudevents.name(each) in webhook.types]
    if webhook.segment is not None and wanted:
        people = {PersonId(IdentifierId(each.key)) for each in wanted}
        inside = segments.among(connection, webhook.segment, people)
        wanted = [each for each in wanted if each.key in inside or each.value.get("segment") == webhook.segment]
    return [
        Planned(webhook.id, each.id, cloudevents.name(each), cloudevents.structured(each).decode()) for each in wanted
    ]
