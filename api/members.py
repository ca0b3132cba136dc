"""Who is in which segment, as subscribers of the stream ask: looked up once for all of them."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import anyio
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from api.reading import reading
from core.identifier import PersonId
from profiles.segments import store
from profiles.segments.rulesets import Kind

SEGMENTS = (Kind.SEGMENT, Kind.ALERT)
MEMBERS_SECONDS_MAX = 1.0
MEMBERS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a look has found, and when: in seconds of the monotonic clock."""

    at: float
    is_in: bool


class Members:
    """Who is in which segment, looked up once for all who ask within `MEMBERS_SECONDS_MAX`. Used in one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, PersonId], _Looked] = {}
        self._looking = anyio.Semaphore(1)

    async def check(self, segment: str) -> None:
        """Raise `NotFound` where there is no such segment."""
        await run_in_threadpool(self._check, segment)

    def forget(self, segment: str, people: Collection[PersonId]) -> None:
        """Look *people* up again, whose membership is announced to have changed."""
        for each in people:
            self._known.pop((segment, each), None)

    async def among(self, segment: str, people: Collection[PersonId]) -> set[PersonId]:
        """Return who of *people* is in *segment*."""
        async with self._looking:
            now = time.monotonic()
            known = {each: self._known[segment, each] for each in people if (segment, each) in self._known}
            asked = {each for each in people if each not in known or now - known[each].at > MEMBERS_SECONDS_MAX}
            found = await run_in_threadpool(self._look_up, segment, asked) if asked else set()
            self._keep({(segment, each): _Looked(now, each in found) for each in asked})
        return found | {each for each in known if each not in asked and known[each].is_in}

    def _keep(self, looked: Mapping[tuple[str, PersonId], _Looked]) -> None:
        if len(self._known) + len(looked) > MEMBERS_MAX:
            self._known.clear()
        self._known |= looked

    def _check(self, segment: str) -> None:
        with reading(self._engine) as connection:
            store.one(connection, segment, SEGMENTS)

    def _look_up(self, segment: str, people: Collection[PersonId]) -> set[PersonId]:
        with reading(self._engine) as connection:
            return store.among(connection, segment, people)
