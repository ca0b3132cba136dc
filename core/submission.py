"""The submission: an event as a sender writes it, and how it becomes one.

`parse` checks it, cleans its identifiers and settles its id and times. From there on an event is trusted.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qs, unquote

import orjson
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, TypeAdapter, ValidationError

from core.errors import InvalidEvent
from core.event import (
    EVENT_BYTES_MAX,
    FUTURE_MAX,
    IDENTIFIERS_MAX,
    PAST_MAX,
    STRICT,
    Article,
    Campaign,
    Company,
    Dropped,
    Event,
    Key,
    Mention,
    Order,
    Properties,
    Role,
    Share,
    Strength,
    Text,
    Trust,
    Type,
    Word,
    fields_of,
    first_fault,
    is_storable,
)
from core.identifier import Drop, Namespace, bare, clean, clean_scope, split

SHARED = "article.shared"


@dataclass(frozen=True, slots=True)
class WrittenIdentifier:
    """An identifier as a sender writes it; it may also be written `namespace[@scope]:value`."""

    namespace: Word
    value: str | int | bool | None
    scope: Text = ""
    role: Role | None = None
    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True)
class Submission:
    """An event as a sender writes it; the shape of `POST /v1/events` and of an NDJSON line."""

    type: Type
    channel: Word
    occurred_at: AwareDatetime
    id: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(is_storable)] | None = None
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
    __pydantic_config__ = STRICT


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
    speaks for its own source only, and cannot make a link its own; where a key has *declared* namespaces, identifiers of
    others are dropped. Raises `InvalidEvent`, whose message names the field and repeats no value.
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
        share=_unclaimed(submission.share)
        if trust is Trust.BROWSER and submission.type == SHARED
        else submission.share,
        campaign=submission.campaign,
        order=submission.order,
        company=submission.company,
        properties=submission.properties,
        context=submission.context,
    )


def _unclaimed(share: Share | None) -> Share | None:
    """Whoever has opened a link knows its token: were that enough to call it his own, he would take its owner's readers."""
    return None if share is None else replace(share, token=None)


def _loaded(document: bytes | Mapping[str, object]) -> Mapping[str, object]:
    if isinstance(document, Mapping):
        return document
    if len(document) > EVENT_BYTES_MAX:
        raise InvalidEvent("too_large", f"an event has at most {EVENT_BYTES_MAX} bytes")
    return fields_of(document)


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


_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)
