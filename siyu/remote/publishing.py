"""Telling Siyu what happened, many events at a time."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import orjson

from siyu.remote.answers import Receipt, Rejected
from siyu.remote.transport import Transport

EVENTS_MAX = 500
BYTES_MAX = 1_000_000  # of one request, before it is packed
PACKED_FROM_BYTES = 1_024

Fields = Mapping[str, Any]


class EventsRejected(Exception):
    """Some events were not taken, and will not be: *rejected* says which of *events*, and why."""

    def __init__(self, rejected: Sequence[Rejected], events: Sequence[Fields]) -> None:
        first = rejected[0]
        super().__init__(f"{len(rejected)} of {len(events)} events were not taken: {first.code}: {first.detail}")
        self.rejected = rejected
        self.events = events


OnRejected = Callable[[Fields, Rejected], None]
"""Gets each event that was not taken, and why."""


def send(transport: Transport, events: Sequence[Fields]) -> Receipt:
    """Send up to 500 *events*, and return once the log has them. Each has an id by then, so that a repetition is taken once."""
    named = [{"id": str(uuid4()), **each} for each in events]
    body = orjson.dumps({"events": named})
    headers = {"Content-Type": "application/json"}
    if len(body) >= PACKED_FROM_BYTES:
        body, headers["Content-Encoding"] = gzip.compress(body, compresslevel=3), "gzip"
    answer = transport.request("POST", "/v1/events", content=body, headers=headers)
    return Receipt.model_validate_json(answer.content)


class Publisher:
    """Gathers events, and sends them when there are enough. Used in one thread.

    Nothing is dropped: when Siyu does not take events, `put` waits, tries again, and at last raises; what was gathered is still
    there, and `flush` sends it. What is rejected is told to *on_rejected*, or raised as `EventsRejected` where there is none.
    """

    def __init__(self, transport: Transport, on_rejected: OnRejected | None = None) -> None:
        self._transport = transport
        self._on_rejected = on_rejected
        self._events: list[Fields] = []
        self._size = 0

    def put(self, event: Fields) -> None:
        """Take one more event."""
        named = {"id": str(uuid4()), **event}
        size = len(orjson.dumps(named))
        if self._events and (len(self._events) >= EVENTS_MAX or self._size + size > BYTES_MAX):
            self.flush()
        self._events.append(named)
        self._size += size

    def flush(self) -> None:
        """Send what was gathered; return once the log has it."""
        if not self._events:
            return
        receipt = send(self._transport, self._events)
        events, self._events, self._size = self._events, [], 0
        if receipt.rejected and self._on_rejected is None:
            raise EventsRejected(receipt.rejected, events)
        for each in receipt.rejected:
            assert self._on_rejected is not None
            self._on_rejected(events[each.index], each)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
