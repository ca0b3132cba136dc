"""What a route stands on: what the app was created with, and his turn.

Only so many requests as there are connections for occupy threads; the others wait in the event loop, so that those who
hold a connection never wait for a thread.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast

import anyio
from fastapi import Depends, Request
from sqlalchemy import Engine

from api.attempts import Attempts
from api.auditing import Auditing
from api.feed import Feed
from api.keyring import Keys
from api.limits import Limits
from api.members import Members
from api.webhooks.sending import Sender
from core import database
from core.clock import Clock
from core.console_sessions import Sessions
from core.errors import Overloaded
from core.event import Event
from core.identifier import BlindIndex, PersonId
from core.key_uses import KeyUses
from core.keys import Key
from profiles import company_intent, description, frequency, intent
from profiles.description import Describing
from profiles.rollup import Judging
from profiles.scoring import Scoring
from profiles.segments.judging import Rules as JudgingRules
from stitcher.deciding import Publish
from stitcher.rules import Rules

READERS_MAX = database.POOL_SIZE_MAX - 6  # the others: keys, looks, probes, the feed, an export, who else is here
READ_WAIT_SECONDS_MAX = 5.0
TURN_SECONDS_MAX = 20.0  # until one's question about everybody is looked at

Check = Callable[[], None]
"""Raises `Unavailable` when something that we need does not answer."""


Tell = Callable[[Mapping[str, object], Key], Event]
"""Brings what a sender would write, in the name of a key, into the log as an event; raises `InvalidEvent` and `Unavailable`."""


class Moved(Exception):
    """The id asked for was merged into *person*'s, or has become his."""

    def __init__(self, person: PersonId) -> None:
        super().__init__(person)
        self.person = person


@dataclass(frozen=True, slots=True)
class Context:
    """All that routes need; one for each app, at `app.state.context`."""

    engine: Engine
    keys: Keys
    index: BlindIndex
    rules: Rules
    intent_rules: intent.Rules
    frequency: frequency.Rules
    companies: company_intent.Rules
    description_rules: description.Rules
    feed: Feed
    members: Members
    audit: Auditing
    sender: Sender
    attempts: Attempts
    guesses: Attempts
    limits: Limits
    uses: KeyUses
    sessions: Sessions
    checks: Mapping[str, Check]
    reading: anyio.Semaphore
    deciding: anyio.Semaphore
    measuring: anyio.Semaphore
    publish: Publish
    tell: Tell
    signing_key: bytes
    clock: Clock

    @property
    def scoring(self) -> Scoring:
        """By which rules intent is judged, as of now."""
        return Scoring(self.intent_rules, self.clock())

    @property
    def judging(self) -> Judging:
        """By which rules companies are judged, as of now."""
        return Judging(self.scoring, self.companies)

    @property
    def judged_by(self) -> JudgingRules:
        """By which rules people are in segments."""
        return JudgingRules(self.intent_rules, self.description_rules.traits)

    @property
    def describing(self) -> Describing:
        """By which rules people are described, as of now."""
        return Describing(self.description_rules, self.clock())


async def context(request: Request) -> Context:
    """Return what the app of this request was created with."""
    return cast("Context", request.app.state.context)


Here = Annotated[Context, Depends(context)]


@asynccontextmanager
async def turn(here: Context) -> AsyncIterator[None]:
    """Wait until one more may hold a connection. Raises `Overloaded` when none gets free."""
    try:
        with anyio.fail_after(READ_WAIT_SECONDS_MAX):
            await here.reading.acquire()
    except TimeoutError:
        raise Overloaded("too many requests are being answered") from None
    try:
        yield
    finally:
        here.reading.release()


@asynccontextmanager
async def one_at_a_time(here: Context) -> AsyncIterator[None]:
    """Wait for one's turn to ask about everybody. Raises `Overloaded` where others take too long."""
    try:
        with anyio.fail_after(TURN_SECONDS_MAX):
            await here.measuring.acquire()
    except TimeoutError:
        raise Overloaded("other figures are being worked out", retry_after_seconds=10) from None
    try:
        yield
    finally:
        here.measuring.release()
