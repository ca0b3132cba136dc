"""The event: a fact that a channel reports, written once and never changed. The published language of the log.

`parse` turns what a sender wrote into an `Event`: checked, its identifiers cleaned, its id and times settled. From there
on an event is trusted; `encode` and `decode` are its form on the topic `siyu.events.v1`.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import isfinite
from typing import Annotated, Literal, NewType, cast
from urllib.parse import parse_qs, unquote

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
from core.identifier import Drop, Identifier, Namespace, bare, clean, clean_scope, split, uuid8

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


def _is_storable(text: str) -> str:
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
            _is_storable(text)
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


Text = Annotated[str, StringConstraints(max_length=1_024), AfterValidator(_is_storable)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_is_storable)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Type = Annotated[str, AfterValidator(_is_type), Field(json_schema_extra={"enum": [*sorted(TYPES)]})]
Properties = Annotated[Mapping[str, JsonValue], AfterValidator(_is_storable_json)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Whole = Annotated[int, Field(ge=-WHOLE_MAX, le=WHOLE_MAX)]

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Article:
    """What is read and passed on."""

    id: Key
    title: Text | None = None
    url: Text | None = None
    topics: Annotated[tuple[Text, ...], Field(max_length=TOPICS_MAX)] = ()
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Share:
    """How an article travels: *token* is the link read by (or, in `article.shared`, one's own), *parent_token* the link by
    which the owner of *token* came."""

    token: Key | None = None
    parent_token: Key | None = None
    scene: Literal["friend", "group", "moments", "other"] | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Campaign:
    """The effort of the brand that an event belongs to."""

    id: Key | None = None
    source: Text | None = None
    medium: Text | None = None
    name: Text | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an order."""

    sku: Key
    quantity: Whole = 1
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Order:
    """A purchase; *amount* is in whole minor units (fen)."""

    id: Key
    amount: Whole = 0
    currency: Currency = "CNY"
    items: tuple[Item, ...] = ()
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Company:
    """For whom the person says he works."""

    name: Text | None = None
    domain: Text | None = None
    __pydantic_config__ = _STRICT


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


@dataclass(frozen=True, slots=True)
class WrittenIdentifier:
    """An identifier as a sender writes it; it may also be written `namespace[@scope]:value`."""

    namespace: Word
    value: str | int | bool | None
    scope: Text = ""
    role: Role | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Submission:
    """An event as a sender writes it; the shape of `POST /v1/events` and of an NDJSON line."""

    type: Type
    channel: Word
    occurred_at: AwareDatetime
    id: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_is_storable)] | None = None
    source: Key | None = None
    identifiers: Annotated[tuple[WrittenIdentifier | str, ...], Field(max_length=IDENTIFIERS_MAX)] = ()
    strength: Strength | None = None
    article: Article | None = None
    share: Share | None = None
    campaign: Campaign | None = None
    order: Order | None = None
    company: Company | None = None
    properties: Properties = field(default_factory=dict)
    context: Properties = field(default_factory=dict)
    __pydantic_config__ = _STRICT


def parse(
    document: bytes | Mapping[str, object],
    *,
    source: str,
    trust: Trust,
    strength: Strength,
    received_at: datetime,
    namespaces: Mapping[str, Namespace],
    declared: Collection[str] | None = None,
) -> Event:
    """Turn what a sender wrote into an event.

    *source*, *trust* and *strength* (the default) belong to the sender's key. Identifiers come out cleaned, those that name
    nobody are listed in `dropped`; a missing id is made of the content, so that sending it again changes nothing. A browser
    speaks for its own source only; where a key has *declared* namespaces, identifiers of others are dropped. Raises
    `InvalidEvent`, whose message names the field and repeats no value.
    """
    fields = _loaded(document)
    try:
        submission = _SUBMISSION.validate_python(fields)
    except ValidationError as error:
        raise first_fault(error) from None
    occurred_at, claimed_at = _clamped(submission.occurred_at, received_at)
    mentions, dropped = _cleaned(submission, namespaces, declared)
    return Event(
        id=submission.id or _made_of(fields),
        type=submission.type,
        channel=submission.channel,
        source=source if trust is Trust.BROWSER else submission.source or source,
        trust=trust,
        occurred_at=occurred_at,
        received_at=received_at,
        identifiers=mentions,
        strength=submission.strength or strength,
        claimed_at=claimed_at,
        dropped=dropped,
        article=submission.article,
        share=submission.share,
        campaign=submission.campaign,
        order=submission.order,
        company=submission.company,
        properties=submission.properties,
        context=submission.context,
    )


def encode(event: Event) -> bytes:
    """Return the form of *event* on the log: JSON, without what it does not say."""
    return _EVENT.dump_json(event, exclude_none=True)


def decode(value: bytes) -> Event:
    """Read what `encode` wrote. Raises `InvalidEvent` for anything else that somebody put on the topic."""
    fields = _json(value)
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


def _loaded(document: bytes | Mapping[str, object]) -> Mapping[str, object]:
    if isinstance(document, Mapping):
        return document
    if len(document) > EVENT_BYTES_MAX:
        raise InvalidEvent("too_large", f"an event has at most {EVENT_BYTES_MAX} bytes")
    return _json(document)


def _json(written: bytes) -> Mapping[str, object]:
    """Read JSON as strictly as it is defined: no `NaN`, no number that no machine has, no half of a surrogate pair."""
    try:
        fields = orjson.loads(written)
    except orjson.JSONDecodeError:
        raise InvalidEvent("invalid_json", "this is not JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise InvalidEvent("invalid_type", "an event is a JSON object")
    return fields


def _made_of(fields: Mapping[str, object]) -> str:
    try:
        content = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise InvalidEvent("invalid_json", "this could not be written as JSON") from None
    return hashlib.sha256(content).hexdigest()[:32]


def _clamped(occurred_at: datetime, received_at: datetime) -> tuple[datetime, datetime | None]:
    kept = min(max(occurred_at, received_at - PAST_MAX), received_at + FUTURE_MAX)
    return kept.astimezone(UTC), (None if kept == occurred_at else occurred_at)


def _cleaned(
    submission: Submission, namespaces: Mapping[str, Namespace], declared: Collection[str] | None
) -> tuple[tuple[Mention, ...], tuple[Dropped, ...]]:
    useless = _reason_to_drop_all(submission)
    from_url = _named_by_url(submission)
    mentions: dict[Mention, None] = {}
    dropped = []
    for position, written in enumerate(submission.identifiers):
        namespace, scope, value, role = _taken_apart(written, position)
        is_foreign = declared is not None and namespace not in declared
        refused = useless or (Drop.UNDECLARED if is_foreign else Drop.FROM_URL if bare(value) in from_url else None)
        cleaned = refused or clean(namespace, value)
        if isinstance(cleaned, Drop):
            dropped.append(Dropped(namespace, cleaned))
        else:
            mentions[Mention(namespace, cleaned, scope, role or _usual_role(namespaces.get(namespace)))] = None
    return tuple(mentions), tuple(dropped)


def _taken_apart(written: WrittenIdentifier | str, position: int) -> tuple[str, str, str, Role | None]:
    try:
        if isinstance(written, str):
            namespace, scope, value = split(written)
            return namespace, clean_scope(scope), value, None
        value = "" if written.value is None else str(written.value)
        return written.namespace, clean_scope(written.scope), value, written.role
    except InvalidEvent as error:
        raise InvalidEvent(error.code, error.detail, f"/identifiers/{position}") from None


def _usual_role(namespace: Namespace | None) -> Role:
    kinds = {"weak": Role.CONTEXT, "hint": Role.HINT}
    return kinds.get(namespace.kind, Role.SUBJECT) if namespace else Role.SUBJECT


def _reason_to_drop_all(submission: Submission) -> Drop | None:
    """A WeChat snapshot page reports an openid that belongs to nobody."""
    for said in (submission.properties, submission.context):
        if str(said.get("is_snapshotuser", "")) in {"1", "True"}:
            return Drop.SNAPSHOT
    return None


def _named_by_url(submission: Submission) -> frozenset[str]:
    """Values that the page's own URL named as `ajs_uid` or `ajs_aid`: whoever makes the link could name anybody."""
    page = submission.context.get("page")
    said = page if isinstance(page, dict) else {}
    urls = [submission.properties.get("url"), said.get("url"), said.get("search")]
    written = [
        url.partition("#")[0].partition("?")[2] for url in urls if isinstance(url, str) and "ajs_" in unquote(url)
    ]
    queries = [parse_qs(query) for query in written]
    return frozenset(
        bare(value) for query in queries for name in ("ajs_uid", "ajs_aid") for value in query.get(name, ())
    )


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


_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
