"""What a batch changes in what we know: written, and announced, in the stitcher's transaction."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from core.identifier import BlindIndex, IdentifierId, PersonId
from core.log.port import PROFILE_UPDATED
from core.outbox import Announcement
from profiles import articles, consented, rereading, summaries, summary, timeline, touches
from profiles.consented import Said
from profiles.segments import store as membership
from profiles.touchpoint import Touchpoint

CAUSES_MAX = 100

Reason = Literal["event", "merge", "split", "import", "manual", "recompute"]


@dataclass(slots=True)
class Update:
    """What happened to one person's profile in one batch."""

    changed: set[str] = field(default_factory=set)
    merged_from: tuple[PersonId, ...] = ()
    split: bool = False
    cause: list[str] = field(default_factory=list)
    consents: list[Said] = field(default_factory=list)
    otherwise: Reason = "event"

    @property
    def reason(self) -> Reason:
        """Why the profile is another one; a merge counts for more than the event that brought it."""
        if self.merged_from:
            return "merge"
        return "split" if self.split else self.otherwise


def record(connection: Connection, touchpoints: Sequence[Touchpoint], fresh: Collection[IdentifierId]) -> None:
    """Write *touchpoints* and all that adds up from them; *fresh* identifiers are known to be new."""
    timeline.record(connection, touchpoints)
    summaries.add(connection, touchpoints, fresh)
    articles.record(connection, touchpoints, fresh)


def replace(connection: Connection, before: Sequence[Touchpoint], after: Sequence[Touchpoint]) -> None:
    """Let the recorded touchpoints *before* stand as *after* says (the same events in the same order), and make again what added
    up from those that move. The caller holds the neighbourhoods of all their anchors locked."""
    timeline.restand(connection, after)
    moved = [
        (old, new)
        for old, new in zip(before, after, strict=True)
        if (old.anchor, old.void, old.verdict) != (new.anchor, new.void, new.verdict)
    ]
    anchors = {t.anchor for pair in moved for t in pair if t.anchor is not None}
    under = rereading.under(connection, anchors)
    links = touches.links(t.event for pair in moved for t in pair)
    concerned = touches.claimants(connection, links)
    summaries.replace(connection, anchors, under)
    articles.replace(connection, [old for old, _ in moved], [new for _, new in moved], under)
    restated = articles.resting_on(connection, [old for old, new in moved if new.void and not old.void])
    if restated:
        articles.restate(connection, restated, rereading.naming(connection, restated))
    # Whoever's link it was stands elsewhere by what no event of his says, and what is gone cannot be found afterwards.
    membership.recheck_now(connection, concerned | touches.claimants(connection, links))


def updates(
    touchpoints: Sequence[Touchpoint], person: Mapping[IdentifierId, PersonId], index: BlindIndex
) -> dict[PersonId, Update]:
    """Return what *touchpoints* change of whose profile, given whose each anchor is."""
    found: dict[PersonId, Update] = defaultdict(Update)
    for touchpoint in touchpoints:
        if touchpoint.anchor is not None:
            update = found[person[touchpoint.anchor]]
            update.changed |= parts(touchpoint)
            if len(update.cause) < CAUSES_MAX:
                update.cause.append(touchpoint.event.id)
            if said := consented.said(touchpoint, index):
                update.consents.append(said)
    return found


def announcements(
    found: Mapping[PersonId, Update], versions: Mapping[PersonId, int], now: datetime
) -> list[Announcement]:
    """Return the `profile.updated` of everybody in *found*, by person, and then what they said of consent."""
    as_of = summary.stamp(now)
    told = [
        Announcement(
            topic=PROFILE_UPDATED,
            key=person,
            id=f"{person}:{versions[person]}",
            type="siyu.profile.updated.v1",
            time=now,
            value={
                "person_id": person,
                "version": versions[person],
                "reason": update.reason,
                "changed": sorted(update.changed),
                "merged_from": list(update.merged_from),
                "cause": update.cause,
                "as_of": as_of,
            },
        )
        for person, update in sorted(found.items())
    ]
    return told + [
        consented.announcement(person, versions[person], said, now)
        for person, update in sorted(found.items())
        for said in update.consents
    ]


_PARTS = {"trait": "traits", "consent": "consent", "follows": "following", "company": "company"}


def parts(touchpoint: Touchpoint) -> set[str]:
    """Return the parts of a profile that a touchpoint is a part of."""
    event = touchpoint.event
    found = {_PARTS[name.partition("/")[0]] for name, _ in summary.statements(event)}
    found.add("events")
    if event.article:
        found.add("articles")
    if event.order:
        found.add("orders")
    return found
