"""A client for Siyu: publish what happened, ask who it was, hear what changes.

    with Client("http://127.0.0.1:8600", key) as siyu:
        siyu.publish({"type": "page.viewed", "channel": "web", "occurred_at": now, "identifiers": ["phone:+86…"]})
        [found] = siyu.lookup("phone:+86…")
        for event in siyu.subscribe(types=["profile.updated"], after=place):
            …

Synchronous and typed. Lists are iterators over all pages. Every error is a `SiyuProblem`; what is refused for now is asked again.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from siyu.remote import publishing, subscribing
from siyu.remote.answers import (
    Answer,
    CanSend,
    Company,
    Entry,
    Found,
    Intent,
    Job,
    Lead,
    Member,
    Profile,
    Reader,
    Receipt,
    ShareTree,
    Stats,
)
from siyu.remote.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    SiyuProblem,
    TryLater,
    Unauthorized,
    Unreachable,
)
from siyu.remote.publishing import EventsRejected, OnRejected, Publisher
from siyu.remote.subscribing import BEGINNING, Event, Reset, verify
from siyu.remote.transport import ATTEMPTS_MAX, Transport

__all__ = [
    "BEGINNING",
    "Client",
    "Conflict",
    "Event",
    "EventsRejected",
    "Forbidden",
    "Gone",
    "Invalid",
    "NotFound",
    "Publisher",
    "Reset",
    "SiyuProblem",
    "TryLater",
    "Unauthorized",
    "Unreachable",
    "verify",
]

LOOKUP_MAX = 500
PAGE = 200
POLL_SECONDS = 0.5

T = TypeVar("T", bound=Answer)


class Client:
    """Asks the Siyu at *url* with an API *key*. Safe to share between threads."""

    def __init__(self, url: str, key: str, *, timeout_seconds: float = 30.0, attempts_max: int = ATTEMPTS_MAX) -> None:
        self._transport = Transport(url, key, timeout_seconds, attempts_max)

    # Publishing

    def publish(self, *events: Mapping[str, Any]) -> Receipt:
        """Send up to 500 events, and return once the log has them: those that it has not are in `rejected`, with reasons."""
        return publishing.send(self._transport, events)

    def publisher(self, on_rejected: OnRejected | None = None) -> Publisher:
        """Return what gathers events and sends them in batches; leave it, as a context, to have the last ones sent."""
        return Publisher(self._transport, on_rejected)

    # People

    def lookup(self, *identifiers: str) -> Sequence[Found]:
        """Return whom each of *identifiers* (`namespace[@scope]:value`) leads to, in their order."""
        found: list[Found] = []
        for at in range(0, len(identifiers), LOOKUP_MAX):
            asked = {"identifiers": identifiers[at : at + LOOKUP_MAX]}
            told = self._transport.request("POST", "/v1/people/lookup", json=asked).json()["data"]
            found += [Found.model_validate(each) for each in told]
        return found

    def profile(self, person: str) -> Profile:
        """Return a person by any id that he ever had. Raises `NotFound` and `Gone`."""
        return self._one(Profile, f"/v1/people/{person}")

    def timeline(self, person: str, **filters: str) -> Iterator[Entry]:
        """Yield what he did and who he became, the newest first; *filters*: `channel`, `type`, `to`, …"""
        return self._all(Entry, f"/v1/people/{person}/timeline", **filters)

    def intent(self, person: str) -> Intent:
        """Return how likely there is business with him, and why."""
        return self._one(Intent, f"/v1/people/{person}/intent")

    def can_send(self, channel: str, **whom: str) -> CanSend:
        """Return whether he (`person_id=` or `identifier=`) may be written to on *channel* now, and why."""
        asked = {"channel": channel, **whom}
        return CanSend.model_validate(self._transport.request("POST", "/v1/decisions/can-send", json=asked).json())

    # Articles, companies, segments, leads

    def readers(self, article: str, **filters: str) -> Iterator[Reader]:
        """Yield who read an article; *filters*: `follower`, `min_generation`, `min_intent`, `reachable`, `segment`."""
        return self._all(Reader, f"/v1/articles/{article}/readers", **filters)

    def stats(self, article: str) -> Stats:
        """Return an article in figures."""
        return self._one(Stats, f"/v1/articles/{article}/stats")

    def share_tree(self, article: str, **asked: str) -> ShareTree:
        """Return who read it by whom; *asked*: `root`, `depth`."""
        return self._one(ShareTree, f"/v1/articles/{article}/share-tree", **asked)

    def companies(self, **filters: str) -> Iterator[Company]:
        """Yield companies, those with the most intent first."""
        return self._all(Company, "/v1/companies", **filters)

    def members(self, segment: str) -> Iterator[Member]:
        """Yield who is in a segment."""
        return self._all(Member, f"/v1/segments/{segment}/people")

    def leads(self, **filters: str) -> Iterator[Lead]:
        """Yield leads, those opened last first; *filters*: `status`, `owner`, `open`."""
        return self._all(Lead, "/v1/leads", **filters)

    # Figures and exports

    def metric(self, name: str, body: Mapping[str, Any] | None = None, **asked: str) -> Mapping[str, Any]:
        """Return the figures called *name* (`rates`, `retention`, `rfm`, `k`, …); a funnel's steps are its *body*."""
        path = f"/v1/metrics/{name}"
        if body is not None:
            return dict(self._transport.request("POST", path, params=asked, json=body).json())
        return dict(self._transport.request("GET", path, params=asked).json())

    def export(self, wish: Mapping[str, Any], *, timeout_seconds: float = 3_600.0) -> bytes:
        """Ask for an export, wait until it is made, and return the file. Raises `SiyuProblem` where it is not."""
        job = Job.model_validate(self._transport.request("POST", "/v1/exports", json=wish).json())
        until = time.monotonic() + timeout_seconds
        while job.status in ("queued", "running") and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            job = self._one(Job, f"/v1/jobs/{job.id}")
        if job.status != "done":
            raise SiyuProblem(f"the export is {job.status}: {job.error or 'it takes too long'}")
        return self._transport.request("GET", f"/v1/jobs/{job.id}/result").content

    # Hearing what changes

    def subscribe(
        self, types: Sequence[str] | None = None, segment: str | None = None, after: str | None = None
    ) -> Iterator[Event | Reset]:
        """Yield what changes, without end: of *types* only, of people in *segment* only, behind the place *after*.

        `None` is from now on, `BEGINNING` all that is still there. Keep `event.place` with what you make of the event, and come
        back with it: nothing is missed. A `Reset` says that something was: begin anew, and go on from its place.
        """
        wanted = {**({"types": ",".join(types)} if types else {}), **({"segment": segment} if segment else {})}
        return subscribing.follow(self._transport, wanted, after)

    def close(self) -> None:
        """Release the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _one(self, kind: type[T], path: str, **asked: str) -> T:
        return kind.model_validate_json(self._transport.request("GET", path, params=asked).content)

    def _all(self, kind: type[T], path: str, **asked: str) -> Iterator[T]:
        cursor: str | None = ""
        while cursor is not None:
            params = {"limit": str(PAGE), **asked, **({"cursor": cursor} if cursor else {})}
            page = self._transport.request("GET", path, params=params).json()
            yield from (kind.model_validate(each) for each in page["data"])
            cursor = page["page"]["next_cursor"]
