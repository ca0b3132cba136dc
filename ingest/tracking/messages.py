"""Messages of the tracking API, as events; Segment's specification and RudderStack's have their fields.

What a trait says is a claim of its own and weaker than the login that it comes with: an `identify` is two events, one that
says who logged in on which browser, and one that says which mailbox and phone he stated.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from core.errors import InvalidEvent
from core.event import Trust
from ingest import landing
from ingest.callback import Document
from ingest.orders.money import minor_units

MESSAGE_BYTES_MAX = 32_768
SENT_APART_MAX = timedelta(days=7)
TEXT_LENGTH_MAX = 1_024

_ORDERS = {"Order Completed": "order.placed", "Order Refunded": "order.refunded"}
_PAGE = ("url", "path", "title", "referrer", "search")
_LIBRARIES_IN_BROWSERS = ("analytics.js", "RudderLabs JavaScript SDK")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a message: the *source* in which his ids are valid, how far he is trusted, and from where he sends."""

    source: str
    trust: Trust
    ip: str = ""
    user_agent: str = ""


def documents(message: Mapping[str, Any], sender: Sender, received_at: datetime, sent_at: object) -> Sequence[Document]:
    """Return the events that one message tells.

    Raises `InvalidEvent` for a type that the API does not have, and for a message that says of nobody who it is.
    """
    kind = message.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise InvalidEvent("unknown_type", "a message is track, identify, page, screen, group or alias", "/type")
    if not (_text(message.get("userId")) or _text(message.get("anonymousId"))):
        raise InvalidEvent("missing", "a message has a userId or an anonymousId", "/userId")
    event = _common(message, _written(message), sender, received_at, message.get("sentAt") or sent_at)
    return read(message, sender, event)


def within(message: object, context: Mapping[str, Any]) -> object:
    """Return *message* of a batch whose *context* holds for all its messages; what a message says itself goes before it."""
    if not isinstance(message, Mapping):
        return message
    return {**message, "context": {**context, **_object(message.get("context"))}}


def _identify(message: Mapping[str, Any], sender: Sender, event: Document) -> Sequence[Document]:
    traits = _traits(message)
    stated = _stated(traits)
    login = event | {
        "type": "identify",
        "strength": "proven" if sender.trust is not Trust.BROWSER else "observed",
        "properties": {name: value for name, value in traits.items() if name not in ("email", "phone")},
    }
    if not stated:
        return [login]
    who = [each for each in event["identifiers"] if each["namespace"] in ("user_id", "anonymous_id")][:1]
    claim = {
        "id": f"{event['id']}:traits",
        "type": "identify",
        "channel": event["channel"],
        "occurred_at": event["occurred_at"],
        "strength": "declared",
        "identifiers": [*({**each, "role": "subject"} for each in who), *stated],
        "context": event["context"],
    }
    return [login, claim]


def _track(message: Mapping[str, Any], _: Sender, event: Document) -> Sequence[Document]:
    name = _text(message.get("event"))
    properties = _object(message.get("properties"))
    if name in _ORDERS and (order := _order(properties)):
        return [event | {"type": _ORDERS[name], "order": order, "properties": dict(properties)}]
    return [event | {"type": "track", "properties": {**properties, "event": name or "track"}}]


def _page(message: Mapping[str, Any], _: Sender, event: Document) -> Sequence[Document]:
    properties = _object(message.get("properties"))
    named = {"name": _text(message.get("name"))} if message.get("name") else {}
    screen = {"screen": True} if message["type"] == "screen" else {}
    return [event | {"type": "page.viewed", "properties": {**properties, **named, **screen}}]


def _group(message: Mapping[str, Any], _: Sender, event: Document) -> Sequence[Document]:
    traits = _object(message.get("traits"))
    company = {
        "name": _text(traits.get("name")) or None,
        "domain": _text(traits.get("domain") or traits.get("website")).removeprefix("https://").partition("/")[0]
        or None,
    }
    properties = {"event": "group", "group_id": _text(message.get("groupId"))}
    return [event | {"type": "track", "company": company, "properties": properties}]


def _alias(message: Mapping[str, Any], sender: Sender, event: Document) -> Sequence[Document]:
    """Say that two ids are one person's: evidence like any other, and never that two users are one."""
    previous = _text(message.get("previousId"))
    also = [] if previous in ("", _text(message.get("userId"))) else [_anonymous(previous, sender)]
    identifiers = [*event["identifiers"], *(each for each in also if each not in event["identifiers"])]
    return [event | {"type": "identify", "identifiers": identifiers, "properties": {"alias": True}}]


_READERS = {
    "identify": _identify,
    "track": _track,
    "page": _page,
    "screen": _page,
    "group": _group,
    "alias": _alias,
}


def _common(
    message: Mapping[str, Any], written: bytes, sender: Sender, received_at: datetime, sent_at: object
) -> Document:
    context = _object(message.get("context"))
    page = {name: value for name, value in _object(context.get("page")).items() if name in _PAGE}
    url = _text(page.get("url"))
    event: Document = {
        "id": _text(message.get("messageId"))[:190] or hashlib.sha256(written).hexdigest()[:32],
        "channel": _channel(context, sender),
        "occurred_at": _occurred_at(message, received_at, sent_at, sender).isoformat(),
        "identifiers": [*_identifiers(message, context, sender), *landing.hints(url)],
        "context": _context(context, page, sender),
    }
    campaign = landing.campaign(url) | _campaign(_object(context.get("campaign")))
    return event | ({"campaign": campaign} if campaign else {})


def _identifiers(message: Mapping[str, Any], context: Mapping[str, Any], sender: Sender) -> list[Document]:
    device = _object(context.get("device"))
    found = []
    if user := _text(message.get("userId")):
        found.append({"namespace": "user_id", "scope": sender.source, "value": user})
    if anonymous := _text(message.get("anonymousId")):
        found.append(_anonymous(anonymous, sender))
    ids = dict.fromkeys(_text(device.get(name)) for name in ("id", "advertisingId"))
    return [*found, *({"namespace": "device_id", "value": each} for each in ids if each)]


def _anonymous(value: str, sender: Sender) -> Document:
    return {"namespace": "anonymous_id", "scope": sender.source, "value": value}


def _traits(message: Mapping[str, Any]) -> Mapping[str, Any]:
    context = _object(message.get("context"))
    return {**_object(message.get("properties")), **_object(context.get("traits")), **_object(message.get("traits"))}


def _stated(traits: Mapping[str, Any]) -> list[Document]:
    return [{"namespace": name, "value": _text(traits[name])} for name in ("email", "phone") if _text(traits.get(name))]


def _channel(context: Mapping[str, Any], sender: Sender) -> str:
    library = _text(_object(context.get("library")).get("name"))
    if context.get("device"):
        return "app"
    return "web" if sender.trust is Trust.BROWSER or library in _LIBRARIES_IN_BROWSERS else "server"


def _context(context: Mapping[str, Any], page: Mapping[str, Any], sender: Sender) -> Document:
    said = {
        "ip": _text(context.get("ip")) or (sender.ip if sender.trust is Trust.BROWSER else ""),
        "user_agent": _text(context.get("userAgent")) or (sender.user_agent if sender.trust is Trust.BROWSER else ""),
        "session_id": _text(context.get("sessionId")),
        "locale": _text(context.get("locale")),
        "library": _text(_object(context.get("library")).get("name")),
        "page": dict(page),
    }
    return {name: value for name, value in said.items() if value}


def _campaign(said: Mapping[str, Any]) -> dict[str, str]:
    named = {name: _text(said.get(name)) for name in ("id", "source", "medium", "name")}
    return {name: value[:256] for name, value in named.items() if value}


def _order(properties: Mapping[str, Any]) -> Document | None:
    order_id = _text(properties.get("order_id"))
    if not order_id:
        return None
    currency = _text(properties.get("currency")) or "CNY"
    total = properties.get("total", properties.get("revenue"))
    amount = 0 if total is None else minor_units(str(total), currency, "/properties/total")
    return {"id": order_id[:256], "amount": amount, "currency": currency}


def _occurred_at(message: Mapping[str, Any], received_at: datetime, sent_at: object, sender: Sender) -> datetime:
    """Return when it happened by our clock: as long before it came in as the sender's clock says between the two.

    A server says itself when something happened, and may tell of last year; a browser's clock may be anything, so where it
    does not say when it sent the message, it happened when it came in. The rule is that of RudderStack's processor.
    """
    original = _time(message.get("originalTimestamp"))
    sent = _time(sent_at)
    said = _time(message.get("timestamp"))
    if said is not None and sender.trust is not Trust.BROWSER:
        return said
    happened = original or said
    if happened is None or sent is None or abs(sent - received_at) > SENT_APART_MAX:
        return received_at if sender.trust is Trust.BROWSER else happened or received_at
    try:
        return min(received_at - (sent - happened), received_at)
    except OverflowError:  # by that clock it happened in the year 1, or 9999
        return happened


def _time(written: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        raise InvalidEvent("invalid_time", "a time is written as RFC 3339 has it", "/timestamp") from None
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    match value:
        case str():
            return value[:TEXT_LENGTH_MAX]
        case bool():
            return ""
        case int() | float():
            return str(value)
    return ""


def _written(message: Mapping[str, Any]) -> bytes:
    """Return *message* in the one form that it has whoever wrote it. Raises `InvalidEvent` where it is too large for that."""
    try:
        written = orjson.dumps(message, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise InvalidEvent("too_deep", "a message is nested too deep") from None
    if len(written) > MESSAGE_BYTES_MAX:
        raise InvalidEvent("too_large", f"a message has at most {MESSAGE_BYTES_MAX} bytes")
    return written
