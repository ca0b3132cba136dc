"""What an official account or a mini-program tells by its callbacks, as events."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidEvent
from ingest.callback import Document
from ingest.links.link import hinted
from ingest.proof import made_of, text
from ingest.tokens import Tokens
from ingest.wechat.markup import Fields, created_at

PROPERTY_LENGTH_MAX = 1_024
_SCENE = "qrscene_"

# On the envelope, or not ours to keep: the text of a message may tell anything, a place is sensitive.
_LEFT_OUT = frozenset(
    ["ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "MsgId", "Encrypt", "OpenID", "UnionID"]
) | {"Content", "MediaId", "PicUrl", "Recognition", "Location_X", "Location_Y", "Label"}
_LEFT_OUT_OF_PLACES = frozenset(["Latitude", "Longitude", "Precision"])


@dataclass(frozen=True, slots=True)
class Whose:
    """For whom the platform speaks: the *channel*, the app in which openids are valid, and where its unionids are.

    *tokens* are those of our links, by which a scene is known for one.
    """

    channel: str
    app_id: str
    tokens: Tokens
    unionid_scope: str = ""


def documents(told: Fields, whose: Whose) -> Sequence[Document]:
    """Return the events that one callback tells. Raises `InvalidEvent` where it lacks what every callback has."""
    if text(told, "MsgType") != "event":
        return [_messaged(told, whose)]
    name = text(told, "Event")
    if not name:
        raise InvalidEvent("missing", "an event has a name", "/Event")
    return _READERS.get(name, _unknown)(told, whose)


def _messaged(told: Fields, whose: Whose) -> Document:
    kind = {"kind": text(told, "MsgType")}
    if whose.channel == "official_account":
        return _event(told, whose, "official_account.messaged", kind)
    return _event(told, whose, "support.opened", kind)


def _followed(told: Fields, whose: Whose) -> Sequence[Document]:
    scene = text(told, "EventKey").removeprefix(_SCENE)
    return [_scanned_as("official_account.followed", scene, told, whose)]


def _scanned(told: Fields, whose: Whose) -> Sequence[Document]:
    return [_scanned_as("official_account.scanned", text(told, "EventKey"), told, whose)]


def _scanned_as(kind: str, scene: str, told: Fields, whose: Whose) -> Document:
    document = _event(told, whose, kind, {"scene": scene} if scene else {})
    document["identifiers"] += hinted(scene, whose.tokens)
    return document


def _unfollowed(told: Fields, whose: Whose) -> Sequence[Document]:
    """Who leaves is to be forgotten: the platform demands that all that it told of him is deleted."""
    left = _event(told, whose, "official_account.unfollowed", {})
    return [left, _withdrawn(told, whose, {"purpose": "wechat", "reason": "unfollowed", "erase": True})]


def _revoked(told: Fields, whose: Whose) -> Sequence[Document]:
    revoked = {"revoked": text(told, "RevokeInfo")} if text(told, "RevokeInfo") else {}
    reason = {"purpose": "wechat_authorization", "reason": text(told, "Event"), "erase": True}
    return [_withdrawn(told, whose, reason | revoked)]


def _clicked(told: Fields, whose: Whose) -> Sequence[Document]:
    """What a menu leads to is the key of the callback, whatever it is: an address, a page, a key of the account's own."""
    properties = {name: value for name, value in _properties(told).items() if name != "EventKey"}
    led_to = _shortened(text(told, "EventKey"))
    named = {_LED_TO.get(text(told, "Event"), "key"): led_to} if led_to else {}
    return [_event(told, whose, "official_account.menu_clicked", {**properties, **named})]


def _answered(told: Fields, whose: Whose) -> Sequence[Document]:
    """Someone was asked whether he wants messages of some templates; each answer is a consent of its own."""
    return [
        _event(
            told,
            whose,
            "consent.given" if text(answer, "SubscribeStatusString") == "accept" else "consent.withdrawn",
            {"purpose": "wechat_subscription", "template_id": text(answer, "TemplateId"), "channel": whose.channel},
            str(position),
        )
        for position, answer in enumerate(_list(told))
    ]


def _delivered(told: Fields, whose: Whose) -> Sequence[Document]:
    """The platform says what became of a message: that happened to its addressee, who did nothing."""
    return [_event(told, whose, "track", {"event": text(told, "Event"), **_properties(told)}, role="recipient")]


def _finished(told: Fields, whose: Whose) -> Sequence[Document]:
    """A job is done. Its `FromUserName` is no follower."""
    return [_event(told, whose, "track", {"event": text(told, "Event"), **_properties(told)}, role=None)]


def _located(told: Fields, whose: Whose) -> Sequence[Document]:
    return [_event(told, whose, "track", {"event": "LOCATION"})]


def _ordered(told: Fields, whose: Whose) -> Sequence[Document]:
    order = told.get("order_info")
    if not isinstance(order, Mapping) or not text(order, "order_id"):
        raise InvalidEvent("missing", "an order has an id", "/order_info/order_id")
    name = text(told, "Event")
    kind = _ORDERED.get(name)
    if kind is None:
        return [_event(told, whose, "track", {"event": name, "order_id": text(order, "order_id")})]
    document = _event(told, whose, kind, {}, text(order, "order_id"))
    return [document | {"channel": "orders", "order": {"id": text(order, "order_id")}}]


def _unknown(told: Fields, whose: Whose) -> Sequence[Document]:
    if text(told, "Event").startswith("channels_ec_order_"):
        return _ordered(told, whose)
    return [_event(told, whose, "track", {"event": text(told, "Event"), **_properties(told)})]


_LED_TO = {"VIEW": "url", "view_miniprogram": "path"}
_ORDERED = {"channels_ec_order_new": "order.placed", "channels_ec_order_pay": "order.paid"}

_READERS: Mapping[str, Callable[[Fields, Whose], Sequence[Document]]] = {
    "subscribe": _followed,
    "unsubscribe": _unfollowed,
    "SCAN": _scanned,
    "LOCATION": _located,
    "CLICK": _clicked,
    "VIEW": _clicked,
    "view_miniprogram": _clicked,
    "scancode_push": _clicked,
    "scancode_waitmsg": _clicked,
    "TEMPLATESENDJOBFINISH": _delivered,
    "subscribe_msg_sent_event": _delivered,
    "MASSSENDJOBFINISH": _finished,
    "PUBLISHJOBFINISH": _finished,
    "subscribe_msg_popup_event": _answered,
    "subscribe_msg_change_event": _answered,
    "user_info_modified": _unknown,
    "user_authorization_revoke": _revoked,
    "user_authorization_cancellation": _revoked,
}


def _withdrawn(told: Fields, whose: Whose, properties: Mapping[str, Any]) -> Document:
    return _event(told, whose, "consent.withdrawn", {**properties, "channel": whose.channel}, "withdrawn")


def _event(
    told: Fields,
    whose: Whose,
    kind: str,
    properties: Mapping[str, Any],
    part: str = "",
    role: str | None = "subject",
) -> Document:
    """Return one event; *part* tells apart those of one callback, *role* is what the openid has to do with it."""
    return {
        "id": _id(told, part),
        "type": kind,
        "channel": whose.channel,
        "occurred_at": created_at(text(told, "CreateTime")),
        "identifiers": _identifiers(told, whose, role) if role else [],
        "strength": "platform",
        "properties": dict(properties),
    }


def _identifiers(told: Fields, whose: Whose, role: str) -> list[Document]:
    # Where somebody takes an authorisation back, the sender is the platform, and he is named in the body.
    openid = text(told, "OpenID") or text(told, "FromUserName")
    named = [{"namespace": "wechat_openid", "scope": whose.app_id, "value": openid, "role": role}]
    if unionid := text(told, "UnionID"):
        named.append({"namespace": "wechat_unionid", "scope": whose.unionid_scope, "value": unionid, "role": role})
    return named


def _id(told: Fields, part: str) -> str:
    """What the platform repeats when it sends again; a hash, because an openid is a person's."""
    names = ("ToUserName", "MsgId") if text(told, "MsgId") else _REPEATED
    return made_of(*(text(told, name) for name in names), part)


_REPEATED = ("ToUserName", "FromUserName", "OpenID", "CreateTime", "Event", "EventKey", "MsgID", "RevokeInfo")


def _properties(told: Fields) -> Mapping[str, Any]:
    left_out = _LEFT_OUT | (_LEFT_OUT_OF_PLACES if text(told, "Event") == "LOCATION" else frozenset())
    return {name: _shortened(value) for name, value in told.items() if name not in left_out and value is not None}


def _shortened(value: Any) -> Any:
    return value[:PROPERTY_LENGTH_MAX] if isinstance(value, str) else value


def _list(told: Fields) -> Sequence[Fields]:
    """Return the entries of `List`, which one account nests in an element of the event's name and another does not."""
    nested = next((part for part in told.values() if isinstance(part, Mapping) and "List" in part), told)
    return [entry for entry in nested.get("List") or () if isinstance(entry, Mapping)]
