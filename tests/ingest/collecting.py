"""All collectors on a log in memory, as a platform meets them: requests in, answers out, and what the log has then."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import orjson
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine

import core.http
from core.errors import Unauthorized
from core.keys import Key
from core.log.port import EVENTS, QUARANTINE, Position, Record
from core.raw import include
from ingest.auth import KeyCache
from ingest.channels import Channels
from ingest.collectors import Ground, routers
from ingest.commit import GroupCommit
from ingest.intake import Intake
from ingest.mail.amazon import Fetch, fetched
from ingest.receive import Receiver
from ingest.spool import Spool
from stitcher.rules import shipped
from tests.ingest.given import BROWSER, DEFAULTS, INDEX, NOW, READER, SERVER, MemoryLog

KEYS = {"server": SERVER, "browser": BROWSER, "reader": READER}
SIGNING_KEY = b"s" * 32
PUBLIC_URL = "https://siyu.example"


class TopicsLog(MemoryLog):
    """A log in memory that keeps its topics apart."""

    def __init__(self) -> None:
        super().__init__()
        self.topics: dict[str, list[Record]] = {}

    def append(self, topic: str, records: Sequence[Record]) -> Sequence[tuple[int, Position]]:
        stored = super().append(topic, records)
        self.topics.setdefault(topic, []).extend(records)
        return stored


class Collecting:
    """Collectors of the accounts in *channels* (as the channels file has them), at the time *now*."""

    def __init__(
        self,
        channels: Mapping[str, Any],
        now: datetime = NOW,
        engine: Engine | None = None,
        public_url: str = PUBLIC_URL,
        spool: Path | None = None,
        fetch: Fetch = fetched,
    ) -> None:
        self.log = TopicsLog()
        self.now = now
        self._channels = Channels.model_validate(channels)
        self._engine = engine or create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
        self._public_url = public_url
        self.spool = spool or Path(mkdtemp(prefix="siyu-spool-"))
        self._fetch = fetch

    def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Return the answer to one request."""
        return self.send_all([(method, path, given)])[0]

    def send_all(self, requests: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[httpx.Response]:
        """Return the answers to *requests*, sent one after the other by one visitor, with his cookies."""

        async def one_by_one(client: httpx.AsyncClient) -> list[httpx.Response]:
            return [await client.request(method, path, **given) for method, path, given in requests]

        return self._told(one_by_one)

    def send_all_at_once(self, requests: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[httpx.Response]:
        """Return the answers to *requests*, none of which waits for another."""

        async def at_once(client: httpx.AsyncClient) -> list[httpx.Response]:
            asked = [client.request(method, path, **given) for method, path, given in requests]
            return list(await asyncio.gather(*asked))

        return self._told(at_once)

    def _told(self, tell: Callable[[httpx.AsyncClient], Awaitable[list[httpx.Response]]]) -> list[httpx.Response]:
        async def story() -> list[httpx.Response]:
            intake = self.intake()
            spool = Spool(intake, self.spool)
            transport = httpx.ASGITransport(self._application(intake, spool), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self._public_url or PUBLIC_URL) as client:
                answers = await tell(client)
            await spool.close()
            await intake.close()
            return answers

        return asyncio.run(story())

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that the log has, in their order."""
        return [orjson.loads(record.value) for record in self.log.topics.get(EVENTS, [])]

    @property
    def quarantined(self) -> list[Record]:
        """What the log has in quarantine."""
        return self.log.topics.get(QUARANTINE, [])

    def intake(self) -> Intake:
        """A way into the log, as the collectors have it."""
        receiver = Receiver(shipped().namespaces, DEFAULTS, INDEX, lambda: self.now, self._channels.declared)
        return Intake(receiver, GroupCommit(self.log, EVENTS), GroupCommit(self.log, QUARANTINE), lambda: self.now)

    def _application(self, intake: Intake, spool: Spool) -> FastAPI:
        app = FastAPI()
        ground = Ground(
            intake=intake,
            find_key=KeyCache(_found),
            channels=self._channels,
            engine=self._engine,
            signing_key=SIGNING_KEY,
            spool=spool,
            public_url=self._public_url,
            fetch=self._fetch,
        )
        include(app, routers(ground))
        core.http.install(app)
        return app


def _found(secret: str) -> Key:
    if secret not in KEYS:
        raise Unauthorized("this key is unknown")
    return KEYS[secret]
