"""What the API answers. Output schemas have no defaults: what is always there can be relied on."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, JsonValue

from api.profile_schemas import EndsOut, Levels, OriginOut, StepDownOut, TagOut

T = TypeVar("T")

PersonId = Annotated[str, Field(description="Leads to the person for ever, whatever is merged or split.")]
IdentifierText = Annotated[
    str, Field(description="`namespace[@scope]:value`; masked unless the key has people:read_pii.")
]


class PageEnd(BaseModel):
    """Where a page ends."""

    next_cursor: str | None
    has_more: bool


class Page(BaseModel, Generic[T]):
    """Some of a list, in its order."""

    data: list[T]
    page: PageEnd


# People


class Found(BaseModel):
    """Whose an identifier is; `null` where nobody has acted under it."""

    identifier: str
    person_id: str | None


class FoundContested(BaseModel):
    """An identifier of nobody: these people have been linked to it, and do not fit together, or are too many."""

    identifier: str
    person_id: None
    contested_by: list[str]


class Lookup(BaseModel):
    """Answers in the order of the questions."""

    data: list[FoundContested | Found]


class IdentifierOut(BaseModel):
    """One name of a person. *id* can stand in a URL and tells nothing; the identifier itself never goes into one."""

    id: str
    identifier: IdentifierText
    namespace: str
    scope: str
    weak: bool
    vouched: bool = Field(description="A trusted source has reported it.")
    standing: Literal["owned", "presumed", "contested", "generic", "blocked"]
    first_seen: datetime


class Counts(BaseModel):
    """How many events there are of a person."""

    events: int
    channels: dict[str, int]
    types: dict[str, int]


class Orders(BaseModel):
    """What was bought. *amounts* are paid less refunded, in minor units (fen), by currency."""

    paid: int
    refunded: int
    amounts: dict[str, int]


class EnteredVia(BaseModel):
    """The first event of a person, and who brought him: whose link it was, where it was read by a link."""

    type: str
    channel: str
    article_id: str | None
    brought_by: PersonId | None
    generation: int | None = Field(description="In the share tree of the article; null where none brought him.")
    path: list[StepDownOut] = Field(description="From the push down to himself; of a longer one the last 50.")


class ProfileOut(BaseModel):
    """A person; *intent* is the score, as of the answer."""

    person_id: PersonId
    version: int
    as_of: datetime
    label: str
    is_anonymous: bool = Field(description="No strong identifier is known.")
    contested: bool = Field(description="No human, but an identifier of several who do not fit together: nobody's.")
    identifiers: list[IdentifierOut]
    traits: dict[str, JsonValue]
    trait_origins: dict[str, OriginOut]
    tags: list[TagOut]
    layers: dict[str, str] = Field(description="In which band he stands, by the name of the layers.")
    stages: dict[str, str] = Field(description="In which band he stands, by the name of the stages.")
    levels: Levels
    sources: EndsOut
    company: str | None
    first_seen: datetime
    last_seen: datetime | None
    counts: Counts
    topics: dict[str, int]
    orders: Orders
    following: dict[str, bool] = Field(description="By account, as far as it was ever stated.")
    consent: dict[str, bool] = Field(description="By channel, as far as it was ever stated.")
    reachable_via: list[str] = Field(description="Channels with consent and an address; never without consent.")
    entered_at: datetime | None
    entered_via: EnteredVia | None
    intent: int


class MentionOut(BaseModel):
    """An identifier as an event named it."""

    namespace: str
    scope: str
    value: str
    role: str


class EventEntry(BaseModel):
    """An event. Without people:read_pii it has no context, and what may be personal in its properties is hidden."""

    kind: Literal["event"]
    id: str
    type: str
    channel: str
    source: str
    occurred_at: datetime
    received_at: datetime
    identifier_id: str = Field(description="Under which identifier it stands.")
    identifiers: list[MentionOut]
    article: dict[str, Any] | None
    share: dict[str, Any] | None
    campaign: dict[str, Any] | None
    order: dict[str, Any] | None
    company: dict[str, Any] | None
    properties: dict[str, Any]
    context: dict[str, Any]


class OpenedEntry(BaseModel):
    """That a link which was sent to this person was opened by another: the event is on the other's timeline."""

    kind: Literal["opened"]
    id: str
    type: str
    channel: str
    source: str
    occurred_at: datetime
    by: PersonId | None = Field(description="Who opened it; null on a device that is nobody's.")
    fan_out: int = Field(description="By how many people the link was opened so far.")


class ChangeEntry(BaseModel):
    """What happened to a person as a person: merged from others, split into others, identifiers moved or contested."""

    kind: Literal["identity"]
    type: str
    occurred_at: datetime
    version: int
    others: list[PersonId]
    identifier_ids: list[str]
    cause: list[str] = Field(description="Ids of the events that brought it about.")


TimelineEntry = Annotated[EventEntry | OpenedEntry | ChangeEntry, Field(discriminator="kind")]

Strength = Literal["observed", "declared", "proven", "platform"]


class LinkOut(BaseModel):
    """Two identifiers said to be one person's. It unites them (*used*), or was *refused* for a reason."""

    one: str
    other: str
    strength: Strength
    first_at: datetime
    last_at: datetime
    count: int
    vouched: bool = Field(description="A trusted source has said so.")
    used: bool
    refused: str | None


class BridgeOut(BaseModel):
    """Weak identifiers by which alone the *parts* are one person."""

    identifier_ids: list[str]
    parts: list[list[str]]


class WeakestOut(BaseModel):
    """The least founded of the links without which strong identifiers would fall apart, and into what."""

    link: LinkOut
    parts: list[list[str]]


class NeighbourOut(IdentifierOut):
    """An identifier to which a link was refused: somebody else's (*person_id*), or nobody's."""

    person_id: PersonId | None


class IdentityOut(BaseModel):
    """A person as a graph."""

    person_id: PersonId
    version: int
    identifiers: list[IdentifierOut]
    links: list[LinkOut]
    neighbours: list[NeighbourOut]
    bridges: list[BridgeOut]
    weakest: WeakestOut | None
    truncated: bool


class StepOut(BaseModel):
    """One link of a path: from where to where, how well founded, and the newest of the events that say so."""

    from_: IdentifierOut = Field(serialization_alias="from")
    to: IdentifierOut
    link: LinkOut
    sources: list[str]
    events: list[EventEntry]


class WhyOut(BaseModel):
    """Why two identifiers are one person: the path whose weakest link is as strong as can be."""

    person_id: PersonId
    strength: Strength | None = Field(description="Of the weakest link; null from an identifier to itself.")
    path: list[StepOut]


# Directives


class NamedOut(BaseModel):
    """An identifier by itself: its id, and what it is."""

    id: str
    identifier: IdentifierText


class EventNameOut(BaseModel):
    """By what an event is told from all others."""

    source: str
    id: str


class DirectiveOut(BaseModel):
    """A decision about identities: who made it, why, about what, and what has become of it."""

    id: str
    kind: Literal["must_link", "cannot_link", "retract", "block"]
    by: str = Field(description="A key (`key:…`), or whom the command line was told.")
    why: str = Field(description="As it was written: it is shown to whoever may read of people.")
    decided_at: datetime
    in_force: bool = Field(description="No other directive in force takes it back.")
    carried_out_at: datetime | None = Field(description="Null: not yet on all that it is about.")
    identifiers: list[NamedOut]
    event: EventNameOut | None
    source: str | None
    directive: str | None


class PartOut(BaseModel):
    """One person as a preview shows him, the canonical identifier first."""

    person_id: PersonId
    identifiers: list[IdentifierOut]
    events: int
    orders: int


class AnnouncedOut(BaseModel):
    """What would be announced of a person: whom he is merged from or split into, or which identifiers it is about."""

    type: str
    person_id: PersonId
    others: list[PersonId]
    identifier_ids: list[str]


class PreviewOut(BaseModel):
    """What a directive would change. Nothing of it is kept."""

    events: int = Field(description="How many events would be read again.")
    before: list[PartOut] = Field(description="The people concerned as they are now, up to 50.")
    after: list[PartOut] = Field(description="The same as they would be, up to 50.")
    changes: list[AnnouncedOut]
    truncated: bool = Field(description="Only the first of many events were looked at, or there is more than is shown.")


class SplitPreviewOut(PreviewOut):
    """What a split would change, between which two identifiers, and which links hold the two together now."""

    from_: IdentifierOut = Field(serialization_alias="from")
    to: IdentifierOut
    cut: list[LinkOut] = Field(description="The links, least in strength altogether, without which the two fall apart.")


# Reviews


class ReviewOut(BaseModel):
    """What somebody should look at: a link that was refused though it may be right, or a person who grew suspiciously fast."""

    kind: Literal["vouching", "size", "growth"]
    at: datetime
    one: NamedOut
    other: NamedOut | None = Field(description="The other end of the link; null of a person who grew.")
    identifiers: int | None = Field(description="How many came to be within an hour; null of a link.")


# Articles


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(BaseModel):
    """All that is needed answers."""

    status: Literal["ok"]
    checks: list[str]
