"""Shopify's webhooks: signed over the body as it came; what it is about stands in the headers, which are not signed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from core.errors import Forbidden, InvalidEvent
from ingest import landing
from ingest.account import Account
from ingest.callback import Answer, Callback, Document
from ingest.orders import events
from ingest.orders.events import Told, named
from ingest.orders.money import minor_units
from ingest.proof import hmac_base64, is_same, json_object, made_of, part, parts, text

SIGNATURE = "x-shopify-hmac-sha256"
TOPIC = "x-shopify-topic"

_TIMES = {"order.placed": "created_at", "order.paid": "updated_at", "track": "cancelled_at"}


class ShopifyAccount(Account):
    """A shop at Shopify: *secret* is the client secret of the app, or the one that the shop's own notifications show."""

    platform: Literal["shopify"]
    secret: Annotated[str, Field(min_length=4)]


@dataclass(frozen=True, slots=True)
class Shopify:
    """The protocol of the shop called *name*."""

    name: str
    account: ShopifyAccount

    @property
    def answer(self) -> Answer:
        """What it wants to hear."""
        return Answer()

    @property
    def source(self) -> str:
        """As which source it sends."""
        return f"orders:{self.name}"

    def proven(self, callback: Callback) -> bytes:
        """Return the body, which is signed."""
        expected = hmac_base64(self.account.secret.encode(), callback.body)
        if not is_same(callback.headers.get(SIGNATURE, ""), expected):
            raise Forbidden("the signature is not that of the account")
        return callback.body

    def documents(self, content: bytes, callback: Callback) -> Sequence[Document]:
        """Return what the topic says of what the body holds."""
        told, topic = json_object(content), callback.headers.get(TOPIC, "")
        if not topic:
            raise InvalidEvent("missing", "a webhook has a topic")
        match topic:
            case "orders/create":
                return [_event(told, self.name, "order.placed")]
            case "orders/paid":
                return [_event(told, self.name, "order.paid")]
            case "orders/cancelled":
                return [_event(told, self.name, "track", "order.cancelled", reason=told.get("cancel_reason"))]
            case "orders/updated" | "orders/refunded" if parts(told, "refunds"):
                return _refunded(told, self.name)
        return [_other(told, self.name, topic, content, callback)]


def _event(told: Mapping[str, Any], shop: str, kind: str, state: str = "", **properties: Any) -> Document:
    order = _order(told, shop)
    amount = minor_units(text(told, "total_price"), order.currency, "/total_price")
    return order.event(kind, text(told, _TIMES[kind]), amount, state, **properties)


def _refunded(told: Mapping[str, Any], shop: str) -> Sequence[Document]:
    """An order tells all of its refunds and whose they are; a refund that comes by itself names nobody."""
    order = _order(told, shop)
    return [_refund(refund, order) for refund in parts(told, "refunds")]


def _refund(refund: Mapping[str, Any], order: Told) -> Document:
    paid = [one for one in parts(refund, "transactions") if text(one, "kind") == "refund"]
    currency = next((text(one, "currency") for one in paid if text(one, "currency")), order.currency)
    amount = sum(minor_units(text(one, "amount"), currency, "/transactions") for one in paid)
    document = order.event("order.refunded", text(refund, "created_at"), amount, text(refund, "id"))
    return document | {"order": document["order"] | {"currency": currency}}


def _order(told: Mapping[str, Any], shop: str) -> Told:
    landed = text(told, "landing_site")
    client = part(told, "client_details")
    return Told(
        platform="shopify",
        order_id=text(told, "id"),
        currency=text(told, "currency") or "CNY",
        identifiers=[*_identifiers(told, shop), *landing.hints(landed)],
        items=events.items(parts(told, "line_items"), "quantity", "sku", "variant_id", "product_id"),
        properties={"number": told.get("name"), "channel": told.get("source_name"), "landing_site": landed},
        context={"ip": text(client, "browser_ip"), "user_agent": text(client, "user_agent")},
        campaign=landing.campaign(landed),
    )


def _identifiers(told: Mapping[str, Any], shop: str) -> list[Document]:
    """Return who bought, as he said himself, and to whom it goes: a gift goes to somebody else."""
    customer = part(told, "customer")
    phones = {text(told, "phone"), text(customer, "phone")} - {""}
    addresses = {text(told, "email"), text(customer, "email")} - {""}
    return [
        *named(text(customer, "id"), "shop_customer_id", scope=shop),
        *(one for phone in sorted(phones) for one in named(phone, "phone")),
        *(one for address in sorted(addresses) for one in named(address, "email")),
        *named(text(part(told, "billing_address"), "phone"), "phone", "payer"),
        *named(text(part(told, "shipping_address"), "phone"), "phone", "receiver"),
    ]


def _other(told: Mapping[str, Any], shop: str, topic: str, content: bytes, callback: Callback) -> Document:
    """Return what no topic of ours says. What a customer or the shop demands to be deleted is to be deleted.

    The body of such a demand tells no time; the header that does is not signed, so it is when it came to us.
    """
    document = events.event(
        made_of("shopify", topic, hashlib.sha256(content).hexdigest()),
        "consent.withdrawn" if topic == "customers/redact" else "track",
        text(told, "updated_at") or text(told, "created_at") or callback.received_at.isoformat(),
        _identifiers(told, shop),
    )
    if topic == "customers/redact":
        return document | {"properties": {"purpose": "orders", "channel": "orders", "reason": topic, "erase": True}}
    erased = {"erase": True} if topic == "shop/redact" else {}
    return document | {"properties": {"event": topic, **erased, **_numbers(told)}}


def _numbers(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        name: told[name] for name in ("id", "order_id", "shop_id", "orders_requested") if told.get(name) is not None
    } | ({"data_request_id": request} if (request := part(told, "data_request").get("id")) else {})
