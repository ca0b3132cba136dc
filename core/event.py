"""The event: a fact that a channel reports, written once and never changed. The published language of the log.

What a sender writes becomes one in `core.submission`; `encode` and `decode` are its form on the topic `siyu.events.v1`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import isfinite
from typing import Annotated, Literal, NewType, cast

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from core.errors import InvalidEvent
from core.identifier import Drop, Identifier, Namespace, uuid8

EventUid = NewType("EventUid", str)
"""A UUID made of source and id: what is taken once."""

EVENT_BYTES_MAX = 65_536
IDENTIFIERS_MAX = 50
DEPTH_MAX = 32
TOPICS_MAX = 100
WHOLE_MAX = 10**12  # so that a sum of millions of amounts is still a number of 64 bits
PAST_MAX = timedelta(days=400)
FUTURE_MAX = timedelta(minutes=10)

TYPES = frozenset(
    [
        "article.pushed",
        "article.read",
        "article.shared",
        "article.liked",
        "article.favorited",
        "sms.sent",
        "sms.delivered",
        "sms.failed",
        "sms.clicked",
        "sms.replied",
        "sms.opted_out",
        "mail.sent",
        "mail.delivered",
        "mail.opened",
        "mail.clicked",
        "mail.bounced",
        "mail.complained",
        "mail.unsubscribed",
        "ad.impression",
        "ad.clicked",
        "ad.lead",
        "official_account.followed",
        "official_account.unfollowed",
        "official_account.menu_clicked",
        "official_account.scanned",
        "official_account.messaged",
        "mini_program.opened",
        "mini_program.paged",
        "mini_program.paid",
        "wecom.contact_added",
        "wecom.contact_edited",
        "wecom.contact_removed",
        "wecom.group_joined",
        "wecom.group_left",
        "page.viewed",
        "form.submitted",
        "link.clicked",
        "qr.scanned",
        "order.placed",
        "order.paid",
        "order.refunded",
        "coupon.issued",
        "coupon.claimed",
        "coupon.redeemed",
        "group.joined",
        "group.left",
        "group.active",
        "live.entered",
        "live.commented",
        "live.ordered",
        "offline.registered",
        "offline.checked_in",
        "survey.answered",
        "support.opened",
        "support.answered",
        "identify",
        "track",
        "consent.given",
        "consent.withdrawn",
        "person.tagged",
    ]
)


class Role(StrEnum):
    """What an identifier has to do with an event. Only subjects and contexts are ever linked."""

    SUBJECT = "subject"
    CONTEXT = "context"
    RECIPIENT = "recipient"
    SHARER = "sharer"
    PAYER = "payer"
    RECEIVER = "receiver"
    HINT = "hint"


class Strength(StrEnum):
    """How well founded it is that the subjects of an event are one person."""

    OBSERVED = "observed"
    DECLARED = "declared"
    PROVEN = "proven"
    PLATFORM = "platform"


class Trust(StrEnum):
    """Who vouches for an event: the public sends by `browser` keys, the others are trusted."""

    BROWSER = "browser"
    SERVER = "server"
    IMPORT = "import"


def is_storable(text: str) -> str:
    """Return *text*, which PostgreSQL can hold; raises `ValueError` where it cannot."""
    if "\0" in text:
        raise ValueError("the character U+0000 cannot be stored")
    return text


def _is_storable_json(value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    level: list[JsonValue] = [dict(value)]
    for _ in range(DEPTH_MAX):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return value
    raise ValueError(f"it is nested deeper than {DEPTH_MAX} levels")


def _parts(value: JsonValue) -> Iterable[JsonValue]:
    """Return what *value* is made of, having seen that PostgreSQL and JSON can hold what is in it itself."""
    match value:
        case str(text):
            is_storable(text)
            _is_unicode(text)
        case float(number) if not isfinite(number):
            raise ValueError("JSON has no such number")
        case int(number) if number.bit_length() > 63:
            raise ValueError("a whole number has at most 64 bits")
        case list(many):
            return many
        case dict(fields):
            return [*fields, *fields.values()]
    return ()


def _is_unicode(text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair is no character")


def _is_type(name: str) -> str:
    if name not in TYPES:
        raise ValueError("this is not an event type; `track` with properties.event takes any name")
    return name


Text = Annotated[str, StringConstraints(max_length=1_024), AfterValidator(is_storable)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(is_storable)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Type = Annotated[str, AfterValidator(_is_type), Field(json_schema_extra={"enum": [*sorted(TYPES)]})]
Properties = Annotated[Mapping[str, JsonValue], AfterValidator(_is_storable_json)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Whole = Annotated[int, Field(ge=-WHOLE_MAX, le=WHOLE_MAX)]

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Article:
    """What is read and passed on."""

    id: Key
    title: Text | None = None
    url: Text | None = None
    topics: Annotated[tuple[Text, ...], Field(max_length=TOPICS_MAX)] = ()
    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True)
class Share:
    """How an article travels: *token* is the link read by (or, in `article.shared`, one's own), *parent_token* the link by
    which the owner of *token* came."""

    token: Key | None = None
    parent_token: Key | None = None
    scene: Literal["friend", "group", "moments", "other"] | None = None
    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True)
class Campaign:
    """The effort of the brand that an event belongs to."""

    id: Key | None = None
    source: Text | None = None
    medium: Text | None = None
    name: Text | None = None
    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an order."""

    sku: Key
    quantity: Whole = 1
    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True)
class Order:
    """A purchase; *amount* is in whole minor units (fen)."""

    id: Key
    amount: Whole = 0
    currency: Currency = "CNY"
    items: tuple[Item, ...] = ()
    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True)
class Company:
    """For whom the person says he works."""

    name: Text | None = None
    domain: Text | None = None
    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True)
class Mention:
    """An identifier, in normal form, in the role that it has in one event."""

    namespace: str
    value: str
    scope: str = ""
    role: Role = Role.SUBJECT

    @property
    def identifier(self) -> Identifier:
        """What is mentioned, without the role."""
        return Identifier(self.namespace, self.scope, self.value)


@dataclass(frozen=True, slots=True)
class Dropped:
    """An identifier that an event carried and that names nobody."""

    namespace: str
    reason: Drop


@dataclass(frozen=True, slots=True)
class Event:
    """A fact, as it stands in the log.

    *occurred_at* is the channel's clock, kept within 400 days before and 10 minutes after *received_at*, which is ours;
    where it had to be moved, *claimed_at* has what the channel said.
    """

    id: str
    type: str
    channel: str
    source: str
    trust: Trust
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    identifiers: tuple[Mention, ...] = ()
    strength: Strength = Strength.OBSERVED
    claimed_at: AwareDatetime | None = None
    dropped: tuple[Dropped, ...] = ()
    article: Article | None = None
    share: Share | None = None
    campaign: Campaign | None = None
    order: Order | None = None
    company: Company | None = None
    properties: Mapping[str, JsonValue] = field(default_factory=dict)
    context: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def uid(self) -> EventUid:
        """What this event is taken once by: a UUID of source and id, so that no source can shut out another's event."""
        return uid_of(self.source, self.id)


def uid_of(source: str, event_id: str) -> EventUid:
    """Return the uid of the event that *source* calls *event_id*."""
    return EventUid(uuid8(hashlib.sha256(f"{source}\0{event_id}".encode()).digest()))


def encode(event: Event) -> bytes:
    """Return the form of *event* on the log: JSON, without what it does not say."""
    return _EVENT.dump_json(event, exclude_none=True)


def decode(value: bytes) -> Event:
    """Read what `encode` wrote. Raises `InvalidEvent` for anything else that somebody put on the topic."""
    fields = fields_of(value)
    try:
        if rb"\u0000" in value:
            _is_storable_json(cast("Mapping[str, JsonValue]", fields))
        return _EVENT.validate_python(fields)
    except ValidationError as error:
        raise first_fault(error) from None
    except ValueError:
        raise InvalidEvent("unstorable", "the character U+0000 cannot be stored") from None


def best_mention(event: Event, namespaces: Mapping[str, Namespace]) -> Mention | None:
    """Return the mention under which the event is filed in the log: the best-ranked subject, else context, else recipient."""
    for role in (Role.SUBJECT, Role.CONTEXT, Role.RECIPIENT):
        able = [m for m in event.identifiers if m.role is role and _names_people(namespaces.get(m.namespace))]
        if able:
            return min(able, key=lambda m: (namespaces[m.namespace].rank, m.identifier.text))
    return None


def _names_people(namespace: Namespace | None) -> bool:
    return namespace is not None and namespace.kind != "hint"


def fields_of(written: bytes) -> Mapping[str, object]:
    """Read JSON as strictly as it is defined: no `NaN`, no number that no machine has, no half of a surrogate pair."""
    try:
        fields = orjson.loads(written)
    except orjson.JSONDecodeError:
        raise InvalidEvent("invalid_json", "this is not JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise InvalidEvent("invalid_type", "an event is a JSON object")
    return fields


def first_fault(error: ValidationError) -> InvalidEvent:
    """Return the first thing that is wrong, with a pointer to it and without the value."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    detail = "this should be an object" if fault["type"] == "dataclass_type" else fault["msg"]
    return InvalidEvent(fault["type"], detail.removeprefix("Value error, "), _pointer(fault["loc"]))


def _pointer(steps: tuple[int | str, ...]) -> str:
    """The JSON pointer (RFC 6901) to where *steps* lead, without the branches of unions that pydantic names on its way."""
    if steps[:1] in {("properties",), ("context",)}:
        steps = steps[:2]  # below, what is a key and what a branch cannot be told apart
    named = [str(step) for step in steps if step not in _BRANCHES]
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in named)


_BRANCHES = frozenset({"WrittenIdentifier", "str", "int", "bool"})


_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
