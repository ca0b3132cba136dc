"""Youzan's pushes: an MD5 of the message with the client's secret behind it, which is what the platform has."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote, unquote_plus

import orjson
from pydantic import Field

from core.errors import Forbidden, InvalidEvent
from ingest.account import Account
from ingest.callback import Answer, Callback, Document
from ingest.orders import events
from ingest.orders.events import Told, named
from ingest.orders.money import minor_units
from ingest.proof import instant, is_same, json_object, json_of, made_of, part, parts, text

SIGNATURE = "event-sign"
ZONE = "+08:00"  # of its times, which bear none

_KINDS = {"trade_TradeCreate": "order.placed", "trade_TradePaid": "order.paid"}
_TIMES = {"order.placed": "created", "order.paid": "pay_time"}
_MILLISECONDS_MIN = 10**11


class YouzanAccount(Account):
    """A shop at Youzan: *client_id* and *client_secret* of the app; with *kdt_id* nothing of another shop of it is taken."""

    platform: Literal["youzan"]
    client_id: str
    client_secret: Annotated[str, Field(min_length=4)]
    kdt_id: str = ""


@dataclass(frozen=True, slots=True)
class Youzan:
    """The protocol of the shop called *name*."""

    name: str
    account: YouzanAccount

    @property
    def answer(self) -> Answer:
        """What it wants to hear."""
        return Answer(orjson.dumps({"code": 0, "msg": "success"}), "application/json")

    @property
    def source(self) -> str:
        """As which source it sends."""
        return f"orders:{self.name}"

    def proven(self, callback: Callback) -> bytes:
        """Return the body, whose message is signed; but for a probe, which tells nothing and need not be.

        The message is signed as it was received; one account of the protocol says decoded, and newer apps sign the body
        in a header. Each of the three needs the secret.
        """
        try:
            told = json_object(callback.body)
        except InvalidEvent:
            raise Forbidden("the body is not signed") from None
        if told.get("test") is True:
            return b""
        if text(told, "client_id") != self.account.client_id or not self._is_signed(told, callback):
            raise Forbidden("the signature is not that of the account")
        if self.account.kdt_id and text(told, "kdt_id") != self.account.kdt_id:
            raise Forbidden("this is another shop of the app")
        return callback.body

    def documents(self, content: bytes, _: Callback) -> Sequence[Document]:
        """Return the state of an order, or what we have no word for."""
        if not content:
            return []
        told = json_object(content)
        message = json_of(unquote_plus(_message(told)))
        if not isinstance(message, Mapping):
            raise InvalidEvent("invalid_type", "the message is a JSON object", "/msg")
        return [_event(told, message, self.name)]

    def _is_signed(self, told: Mapping[str, Any], callback: Callback) -> bool:
        message = _message(told)
        client_id, secret = self.account.client_id, self.account.client_secret
        in_body = {signature(client_id, written.encode(), secret) for written in (message, unquote(message))}
        in_header = signature(client_id, callback.body, secret)
        given = text(told, "sign").lower()
        tries = [is_same(given, expected) for expected in sorted(in_body)]
        return any([*tries, is_same(callback.headers.get(SIGNATURE, "").lower(), in_header)])


def signature(client_id: str, message: bytes, client_secret: str) -> str:
    """Return what Youzan signs by."""
    signed = client_id.encode() + message + client_secret.encode()
    return hashlib.md5(signed, usedforsecurity=False).hexdigest()  # the platform has no other


def _message(told: Mapping[str, Any]) -> str:
    message = told.get("msg")
    return message if isinstance(message, str) else ""


def _event(told: Mapping[str, Any], message: Mapping[str, Any], shop: str) -> Document:
    name = text(told, "type")
    kind = _KINDS.get(name, "track")
    info = part(message, "full_order_info", "order_info")
    at = _in_zone(text(info, _TIMES.get(kind, ""))) or _version(told)
    if kind == "track" or not info:
        event_id = made_of("youzan", text(told, "msg_id"))
        properties = {"event": name, "status": told.get("status"), "order_id": text(told, "id")}
        return events.event(event_id, "track", at, _identifiers(message, shop), properties)
    order = _order(message, info, shop)
    paid = part(message, "full_order_info", "pay_info")
    return order.event(kind, at, minor_units(text(paid, "payment"), order.currency, "/msg/pay_info/payment"))


def _order(message: Mapping[str, Any], info: Mapping[str, Any], shop: str) -> Told:
    lines = parts(part(message, "full_order_info"), "orders")
    return Told(
        platform="youzan",
        order_id=text(info, "tid"),
        currency="CNY",
        identifiers=_identifiers(message, shop),
        items=events.items(lines, "num", "outer_sku_id", "sku_id", "item_id"),
        properties={"status": info.get("status")},
    )


def _identifiers(message: Mapping[str, Any], shop: str) -> list[Document]:
    """Return who bought, and to whom it goes. A phone that is masked or encrypted is dropped at the door."""
    buyer = part(message, "full_order_info", "buyer_info")
    return [
        *named(text(buyer, "yz_open_id"), "shop_customer_id", scope=shop),
        *named(text(buyer, "buyer_phone"), "phone"),
        *named(text(part(message, "full_order_info", "address_info"), "receiver_tel"), "phone", "receiver"),
    ]


def _in_zone(written: str) -> str:
    try:
        return datetime.fromisoformat(written + ZONE).isoformat() if written else ""
    except ValueError:
        return ""


def _version(told: Mapping[str, Any]) -> str:
    """The time of the push, in seconds or in milliseconds: both have been seen."""
    written = text(told, "version")
    if not written.isdecimal() or len(written) > 14:
        return ""
    return instant(int(written) / 1_000 if int(written) >= _MILLISECONDS_MIN else int(written))
