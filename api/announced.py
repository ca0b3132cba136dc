"""What is announced, topic by topic, as readers of the log, of the stream and of webhooks are told of it: shape and example.

Within a major version fields are only added, so what we announce is described open: a reader overlooks what he does not know.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from core.directive import Directive
from core.event import Event
from core.log.port import (
    CONSENT_CHANGED,
    DIRECTIVES,
    EVENTS,
    IDENTITY_CHANGED,
    INTENT_ALERT,
    PROFILE_UPDATED,
    QUARANTINE,
    SEGMENT_MEMBERSHIP,
    STAGE_CHANGED,
)
from profiles.consented import Status
from profiles.record import CAUSES_MAX, Reason
from profiles.segments import telling
from stitcher.difference import Kind

PersonId = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        description="Leads to the person for ever, whatever is merged or split.",
    ),
]
Version = Annotated[int, Field(ge=1, description="Only rises; drop what is not above the last one of this person.")]
Causes = Annotated[
    list[str],
    Field(max_length=CAUSES_MAX, description="Ids of the events that brought it about, not all where many did."),
]
AsOf = Annotated[AwareDatetime, Field(description="When it was decided.")]


class ProfileUpdated(BaseModel):
    """A person's profile is another one: read it again, and on `merged_from` move your rows."""

    person_id: PersonId
    version: Version
    reason: Reason
    changed: Annotated[list[str], Field(description="The parts of the profile that are concerned, sorted.")]
    merged_from: Annotated[list[PersonId], Field(description="Who is he from now on.")]
    cause: Causes
    as_of: AsOf


class IdentityChanged(BaseModel):
    """Somebody is new, is one with another, is two, or never was; or an identifier is another person's, or nobody's."""

    type: Kind
    person_id: PersonId
    version: Version
    from_: Annotated[list[PersonId], Field(alias="from", description="In `person.merged`: who is he from now on.")]
    into: Annotated[list[PersonId], Field(description="In `person.split`: who is somebody else from now on.")]
    identifiers: Annotated[list[str], Field(description="Ids of the identifiers that it is about.")]
    cause: Causes
    as_of: AsOf


class SegmentMembership(BaseModel):
    """Somebody entered a segment, or left it."""

    person_id: PersonId
    segment: str
    change: Literal["entered", "left"]
    reason: telling.Reason
    as_of: AsOf


class StageChanged(BaseModel):
    """Somebody went from one band of some layers or stages to another; `null`: he was, or is, in none."""

    person_id: PersonId
    set: str
    kind: Literal["layers", "stages"]
    from_: Annotated[str | None, Field(alias="from")]
    to: str | None
    reason: telling.Reason
    as_of: AsOf


class Contribution(BaseModel):
    """What one rule gives to the score."""

    rule: str
    points: float


class IntentAlert(BaseModel):
    """The intent of somebody reached a threshold (`up`), or fell below it (`down`)."""

    person_id: PersonId
    score: Annotated[int, Field(ge=0, le=100)]
    threshold: Annotated[int, Field(ge=0, le=100)]
    direction: Literal["up", "down"]
    contributions: Annotated[list[Contribution], Field(description="The most first.")]
    as_of: AsOf


class ConsentChanged(BaseModel):
    """Somebody agreed to something or refused it, or it is as if he never had (`retracted`); the latest `occurred_at` counts."""

    person_id: PersonId
    version: Annotated[int, Field(ge=1, description="Of his profile; several may be announced in one.")]
    uid: Annotated[str, Field(description="Of the line of his ledger, which is an event.")]
    status: Status
    channel: Annotated[str, Field(description="By which he may, or may not, be reached.")]
    purpose: Annotated[str | None, Field(description="`null`: any.")]
    identifiers: Annotated[
        list[str],
        Field(description="Ids of the addresses that it was said of; none: of all that he has on the channel."),
    ]
    text_version: Annotated[str | None, Field(description="Of what he was shown.")]
    source: Annotated[str, Field(description="Who told us.")]
    occurred_at: Annotated[AwareDatetime, Field(description="When he said so.")]
    cause: Causes
    as_of: AsOf


Quarantined = Annotated[
    Any,
    Field(
        description="What a sender sent, whole: JSON where the header `content-type` says so, else any bytes."
        " Why it could not be taken is in the headers `ce_code` and `ce_detail`."
    ),
]

VALUES: Mapping[str, TypeAdapter[Any]] = {
    EVENTS: TypeAdapter(Event),
    DIRECTIVES: TypeAdapter(Directive),
    PROFILE_UPDATED: TypeAdapter(ProfileUpdated),
    IDENTITY_CHANGED: TypeAdapter(IdentityChanged),
    SEGMENT_MEMBERSHIP: TypeAdapter(SegmentMembership),
    STAGE_CHANGED: TypeAdapter(StageChanged),
    INTENT_ALERT: TypeAdapter(IntentAlert),
    CONSENT_CHANGED: TypeAdapter(ConsentChanged),
    QUARANTINE: TypeAdapter(Quarantined),
}
"""The value of a record, by topic."""

ANNOUNCED = (PROFILE_UPDATED, IDENTITY_CHANGED, SEGMENT_MEMBERSHIP, STAGE_CHANGED, INTENT_ALERT, CONSENT_CHANGED)
"""The topics of which the stream and webhooks tell too."""


def names(topic: str) -> Sequence[str]:
    """Return the words by which subscribers choose what stands on *topic*, as `core.cloudevents.name` has them."""
    return get_args(Kind) if topic == IDENTITY_CHANGED else [topic.removeprefix("siyu.").removesuffix(".v1")]


NAMES = frozenset(name for topic in ANNOUNCED for name in names(topic))

_PERSON, _OTHER, _IDENTIFIER, _UID = (
    "9b1f0c52-6a34-8f0e-9d27-3c5be0a4f611",
    "4e7d21a9-03bc-8a55-b1c8-7f2690de3a14",
    "c05a7be3-91d2-8c4f-a6e0-52b8f31d7790",
    "e2871f4c-5b60-8d13-93ab-0d4c6e9f2b85",
)
_AS_OF = "2026-11-03T12:41:09.204518Z"

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    EVENTS: {
        "id": "read-20261103-77",
        "type": "article.read",
        "channel": "official_account",
        "source": "hq-h5",
        "trust": "server",
        "occurred_at": "2026-11-03T20:41:07+08:00",
        "received_at": "2026-11-03T12:41:08.915Z",
        "identifiers": [{"namespace": "wechat_openid", "value": "oXY7", "scope": "wx8a1", "role": "subject"}],
        "strength": "observed",
        "article": {"id": "a-1103", "title": "秋季选型指南"},
        "properties": {"dwell_ms": 130000},
    },
    DIRECTIVES: {
        "kind": "cannot_link",
        "by": "li.na",
        "why": "mother and daughter share the phone",
        "decided_at": "2026-11-03T12:41:08Z",
        "identifiers": [
            {"namespace": "user_id", "value": "A", "scope": "shop"},
            {"namespace": "user_id", "value": "B", "scope": "shop"},
        ],
        "event": None,
        "source": None,
        "directive": None,
        "id": "b7c2d4f0-1e93-8b6a-8f25-64d0a97e3c18",
    },
    PROFILE_UPDATED: {
        "person_id": _PERSON,
        "version": 7,
        "reason": "merge",
        "changed": ["articles", "events", "identifiers"],
        "merged_from": [_OTHER],
        "cause": ["read-20261103-77"],
        "as_of": _AS_OF,
    },
    IDENTITY_CHANGED: {
        "type": "person.merged",
        "person_id": _PERSON,
        "version": 7,
        "from": [_OTHER],
        "into": [],
        "identifiers": [],
        "cause": ["read-20261103-77"],
        "as_of": _AS_OF,
    },
    SEGMENT_MEMBERSHIP: {
        "person_id": _PERSON,
        "segment": "keen-readers",
        "change": "entered",
        "reason": "change",
        "as_of": _AS_OF,
    },
    STAGE_CHANGED: {
        "person_id": _PERSON,
        "set": "life-cycle",
        "kind": "stages",
        "reason": "change",
        "from": "stranger",
        "to": "reader",
        "as_of": _AS_OF,
    },
    INTENT_ALERT: {
        "person_id": _PERSON,
        "score": 72,
        "threshold": 60,
        "direction": "up",
        "contributions": [{"rule": "price-page", "points": 31.5}],
        "as_of": _AS_OF,
    },
    CONSENT_CHANGED: {
        "person_id": _PERSON,
        "version": 8,
        "uid": _UID,
        "status": "withdrawn",
        "channel": "sms",
        "purpose": "marketing",
        "identifiers": [_IDENTIFIER],
        "text_version": None,
        "source": "sms:main",
        "occurred_at": "2026-11-03T12:41:07.000000Z",
        "cause": ["td-20261103-5"],
        "as_of": _AS_OF,
    },
    QUARANTINE: {"type": "article.read", "channel": "official_account"},
}
"""A value of each topic."""
