"""Asking WooCommerce's shops for their orders: what a webhook lost, which is never sent again, comes this way.

A shop is asked for what was modified since the last that it told, and some minutes before. Events have the ids that the
webhook gives them, so what both tell, or what is asked for twice, counts once. The mark moves page by page, each time after
the log has the page: a process that dies, or a log that is down, costs nothing but asking again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import structlog
from sqlalchemy import Column, DateTime, Engine, Table, Text, select
from sqlalchemy.dialects.postgresql import insert

from core.database import metadata
from core.errors import InvalidEvent, Overloaded, SiyuError, Unavailable
from core.session import Session
from ingest.account import Account
from ingest.callback import Document
from ingest.intake import Intake, Refusal, sender
from ingest.orders.woocommerce import WooCommerceAccount, order_events
from ingest.proof import json_of, made_of, text

PAGE_ORDERS = 100
PAGES_MAX = 1_000
ANSWER_BYTES_MAX = 16 << 20
TIMEOUT_SECONDS = 30.0
# After a failure, and twice as long after each further one.
AGAIN_SECONDS = 30.0
AGAIN_SECONDS_MAX = 3_600.0
OVERLAP = timedelta(minutes=5)  # what was modified first may be seen last
FIRST = timedelta(days=1)  # so far back a shop is asked of which we know nothing
_SECOND = timedelta(seconds=1)

mark_table = Table(
    "poll_mark",
    metadata,
    Column("shop", Text, primary_key=True),
    Column("modified_at", DateTime(timezone=True), nullable=False, comment="of the last order that the shop told"),
)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page:
    """Some orders, those modified first before all others, and how many pages there are."""

    orders: Sequence[Mapping[str, Any]]
    pages: int

    @property
    def modified_at(self) -> datetime | None:
        """When the last of them was modified; `None` where none says."""
        return max(filter(None, map(_modified_at, self.orders)), default=None)


@dataclass
class Polling:
    """Asks the shop called *name*, one process at a time; what it told the last time is not brought into the log again."""

    name: str
    account: WooCommerceAccount
    intake: Intake
    engine: Engine
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _told: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Ask, again and again, until cancelled. Whatever goes wrong is logged, and tried again later."""
        failures = 0
        while True:
            try:
                await self.ask()
                failures, wait_seconds = 0, self.account.poll_minutes * 60.0
            except Exception as error:  # noqa: BLE001 - whatever a shop answers, it is to be asked again
                wait_seconds = _patience_seconds(error, failures)
                failures += 1
                reason = str(error) if isinstance(error, SiyuError) else type(error).__name__
                _log.warning("polling.failed", shop=self.name, reason=reason, again_in_seconds=wait_seconds)
            await self.sleep(wait_seconds)

    async def ask(self) -> None:
        """Bring into the log what was modified since the last time, unless another process is about it.

        Raises `Unavailable` where shop, database or log are; what the log has by then need not be asked for again.
        """
        with await asyncio.to_thread(Session, self.engine, "siyu_polling") as session:
            if await asyncio.to_thread(session.try_lock, f"siyu.polling {self.name}"):
                await self._ask_since(await asyncio.to_thread(_mark, session, self.name), session)

    async def _ask_since(self, mark: datetime | None, session: Session) -> None:
        now = self.intake.clock()
        after, number = mark - OVERLAP if mark else now - FIRST, 1
        told: set[str] = set()
        async with _client(self.account) as client:
            for _ in range(PAGES_MAX):
                page = await _page(client, after, number)
                told |= await self._tell(page)
                if newest := page.modified_at:
                    await asyncio.to_thread(_set_mark, session, self.name, min(newest, now))
                if number >= page.pages:
                    break
                after, number = _following(after, number, newest)
        self._told = told

    async def _tell(self, page: Page) -> set[str]:
        """Bring into the log what is new in *page*; return by what its orders are known the next time."""
        known_by = {made_of(orjson.dumps(order).decode()): order for order in page.orders}
        key = sender(f"orders:{self.name}")
        documents: list[Document] = []
        refused: list[Refusal] = []
        for order in (order for name, order in known_by.items() if name not in self._told):
            try:
                documents += order_events(order, self.name)
            except InvalidEvent as error:
                refused.append(Refusal(dict(order), error.code, error.detail))
        await self.intake.take_all(documents, key, b"")
        await self.intake.keep(refused, key.source, b"")
        return set(known_by)


def pollings(intake: Intake, engine: Engine, accounts: Mapping[str, Account]) -> Iterator[Polling]:
    """Return what asks each shop among *accounts* that may be asked."""
    for name, account in accounts.items():
        if isinstance(account, WooCommerceAccount) and account.url:
            yield Polling(name, account, intake, engine)


def _following(after: datetime, number: int, newest: datetime | None) -> tuple[datetime, int]:
    """Return what to ask for next.

    Not for the next page, while the time moves on: an order that is modified meanwhile moves to the end, and one of those
    behind it would slip into a page that we have already read.
    """
    if newest and newest - _SECOND > after:
        return newest - _SECOND, 1
    return after, number + 1


def _patience_seconds(error: Exception, failures: int) -> float:
    asked_for = error.retry_after_seconds if isinstance(error, Overloaded) else 0.0
    return min(max(AGAIN_SECONDS * 2.0 ** min(failures, 10), asked_for), AGAIN_SECONDS_MAX)


def _client(account: WooCommerceAccount) -> httpx.AsyncClient:
    # No redirect is followed: the secret goes nowhere else.
    return httpx.AsyncClient(
        base_url=f"{account.url.rstrip('/')}/wp-json/wc/v3/",
        auth=(account.consumer_key, account.consumer_secret),
        timeout=TIMEOUT_SECONDS,
        follow_redirects=False,
    )


async def _page(client: httpx.AsyncClient, after: datetime, number: int) -> Page:
    """Return a page of the orders modified after *after*. Raises `Unavailable`, and tells neither address nor secret."""
    asked = {
        "modified_after": f"{after:%Y-%m-%dT%H:%M:%S}",  # with a zone WordPress would take it for the shop's own time
        "dates_are_gmt": "true",
        "orderby": "modified",
        "order": "asc",
        "per_page": str(PAGE_ORDERS),
        "page": str(number),
    }
    try:
        async with client.stream("GET", "orders", params=asked) as answer:
            content = await _content(answer)
    except httpx.HTTPError:
        raise Unavailable("the shop does not answer") from None
    try:
        listed = json_of(content)
    except InvalidEvent:
        listed = None
    if not isinstance(listed, list):
        raise Unavailable("the shop answers otherwise than it should")
    pages = answer.headers.get("x-wp-totalpages", "")
    return Page([one for one in listed if isinstance(one, Mapping)], int(pages) if pages.isdecimal() else 1)


async def _content(answer: httpx.Response) -> bytes:
    if answer.status_code in {429, 503}:
        wait = answer.headers.get("retry-after", "")
        raise Overloaded(f"the shop answers {answer.status_code}", int(wait) if wait.isdecimal() else 0)
    if answer.status_code != 200:
        raise Unavailable(f"the shop answers {answer.status_code}")
    content = b""
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise Unavailable("the shop answers too much")
    return content


def _modified_at(order: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(text(order, "date_modified_gmt").removesuffix("Z")).replace(tzinfo=UTC)
    except ValueError:
        return None


def _mark(session: Session, shop: str) -> datetime | None:
    with session.connection() as connection:
        found: datetime | None = connection.scalar(select(mark_table.c.modified_at).where(mark_table.c.shop == shop))
    return found


def _set_mark(session: Session, shop: str, modified_at: datetime) -> None:
    """Say that all is told that was modified until *modified_at*; written by who has the lock."""
    writing = insert(mark_table).values(shop=shop, modified_at=modified_at)
    with session.connection() as connection:
        connection.execute(writing.on_conflict_do_update(index_elements=["shop"], set_={"modified_at": modified_at}))
