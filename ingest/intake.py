"""The intake: documents go in, and what comes out is in the log, as events or in quarantine, before anybody is answered."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from core import cloudevents
from core.clock import Clock
from core.errors import InvalidEvent
from core.event import Trust
from core.identifier import uuid8
from core.keys import Key, Scope
from core.log.port import QUARANTINE, Record
from core.metrics import EVENTS_ACCEPTED
from ingest.commit import GroupCommit
from ingest.receive import Receiver

SLICE_EVENTS = 50  # received at a stretch; then other requests have their turn


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not taken: where it stood among those submitted, and why."""

    index: int
    code: str
    detail: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many of the events the log has, and which it has not."""

    accepted: int
    rejected: Sequence[Rejection]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What could not be taken, a JSON document or bytes, and why."""

    document: object
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Intake:
    """Where every collector brings what it has read: *events* and *quarantine* lead to the two topics of the log."""

    receiver: Receiver
    events: GroupCommit
    quarantine: GroupCommit
    clock: Clock

    async def take(self, documents: Sequence[object], key: Key) -> Receipt:
        """Receive *documents* in the name of *key*, and return when the log has those that are events.

        Raises `Unavailable` when it has not.
        """
        records = []
        rejected = []
        for index, document in enumerate(documents):
            try:
                records.append(self.receiver.receive(document, key)[1])
            except InvalidEvent as error:
                rejected.append(Rejection(index, error.code, error.detail, error.pointer))
            if index % SLICE_EVENTS == SLICE_EVENTS - 1:
                await asyncio.sleep(0)
        await self.events.put(records)
        EVENTS_ACCEPTED.labels(key.trust).inc(len(records))
        return Receipt(len(records), rejected)

    async def take_all(self, documents: Sequence[object], key: Key, content: bytes) -> Receipt:
        """Do the same for a sender who would only send the same again: what is rejected is kept in quarantine.

        *content* is what the sender sent; of a document that cannot be written as JSON it is kept instead.
        """
        receipt = await self.take(documents, key)
        refused = [Refusal(documents[each.index], each.code, each.detail) for each in receipt.rejected]
        await self.keep(refused, key.source, content)
        return receipt

    async def keep(self, refused: Sequence[Refusal], source: str, content: bytes) -> None:
        """Bring *refused* into quarantine, and return when the log has all of it.

        Of what cannot be written as JSON *content*, with which it came, is kept instead.
        """
        await self.quarantine.put([_record(each, source, content, self.clock()) for each in refused])

    async def close(self) -> None:
        """Take nothing more, and return when all that was taken is answered."""
        await self.events.close()
        await self.quarantine.close()


def sender(source: str, trust: Trust = Trust.SERVER) -> Key:
    """Return the key in whose name an account of a platform sends: it proves itself by the platform's own protocol."""
    return Key(source, frozenset({Scope.EVENTS_WRITE}), source, trust)


def _record(refused: Refusal, source: str, content: bytes, now: datetime) -> Record:
    written = _written(refused.document)
    value = written or content
    # By what it is, so that what a platform sends again and again is one and the same, however often it is refused.
    named = f"{source}\0{refused.code}\0".encode()
    headers = cloudevents.attributes(
        uuid8(hashlib.sha256(named + value).digest()),
        QUARANTINE,
        now,
        source,
        cloudevents.sender(source),
        "application/octet-stream" if value is content or isinstance(refused.document, bytes) else cloudevents.JSON,
        code=refused.code,
        detail=refused.detail,
    )
    return Record(source, value, headers)


def _written(document: object) -> bytes | None:
    if isinstance(document, bytes):
        return document
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        return None
