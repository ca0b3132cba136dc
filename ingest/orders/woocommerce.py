"""WooCommerce: its webhooks, signed over the body as it came, and what its orders tell, pushed or asked for.

An order comes whole every time and tells all states that it has been in. So all of them are told again, each as the
event that it was: what a webhook lost (it is never sent again) the next one brings.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from core.errors import InvalidEvent
from ingest.account import Account
from ingest.callback import Accounted, Callback, Document
from ingest.orders import events
from ingest.orders.events import Told, named
from ingest.orders.money import minor_units
from ingest.proof import check_signed, json_object, made_of, part, parts, text

SIGNATURE = "x-wc-webhook-signature"
TOPIC = "x-wc-webhook-topic"

_PING = re.compile(rb"webhook_id=\d{1,18}")
_NOT_YET = frozenset(["checkout-draft", "auto-draft"])
_ENDED = frozenset(["cancelled", "failed"])


class WooCommerceAccount(Account):
    """A shop that runs WooCommerce: *secret* is that of its webhooks.

    With the *url* of the shop, *consumer_key* and *consumer_secret* it is also asked for its orders, every *poll_minutes*.
    """

    platform: Literal["woocommerce"]
    secret: Annotated[str, Field(min_length=4)]
    url: str = ""
    consumer_key: str = ""
    consumer_secret: str = ""
    poll_minutes: Annotated[int, Field(ge=1, le=1_440)] = 10

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        asking = (self.url, self.consumer_key, self.consumer_secret)
        if any(asking) and not all(asking):
            raise ValueError("to ask a shop, url, consumer_key and consumer_secret are needed")
        parts = urlsplit(self.url)
        if self.url and parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost"}:
            raise ValueError("the url of a shop begins with https://, or the secret would be there for all to read")
        return self


@dataclass(frozen=True)
class WooCommerce(Accounted[WooCommerceAccount]):
    """The protocol of the shop called *name*."""

    family = "orders"

    def proven(self, callback: Callback) -> bytes:
        """Return the body, which is signed; but for the ping by which it tries an address, and which tells nothing."""
        if SIGNATURE not in callback.headers and _PING.fullmatch(callback.body):
            return b""
        check_signed(callback.headers.get(SIGNATURE, ""), self.account.secret, callback.body)
        return callback.body

    def documents(self, content: bytes, callback: Callback) -> Sequence[Document]:
        """Return what the body tells: the states of an order, or something that we have no word for."""
        if not content or _PING.fullmatch(content):
            return []
        told, topic = json_object(content), callback.headers.get(TOPIC, "")
        if topic.startswith("order.") and "status" in told:
            return order_events(told, self.name)
        if not topic:
            raise InvalidEvent("missing", "a webhook has a topic")
        at = _utc(told, "date_modified_gmt") or callback.received_at.isoformat()
        event_id = made_of("woocommerce", topic, hashlib.sha256(content).hexdigest())
        return [events.event(event_id, "track", at, (), {"event": topic, "id": told.get("id")})]


def order_events(told: Mapping[str, Any], shop: str) -> Sequence[Document]:
    """Return the states that the order *told* has been in, as the webhook and `/wp-json/wc/v3/orders` write it."""
    status = text(told, "status")
    if status in _NOT_YET:
        return []
    order = _order(told, shop)
    amount = minor_units(text(told, "total"), order.currency, "/total")
    found = [order.event("order.placed", _utc(told, "date_created_gmt"), amount)]
    if paid_at := _utc(told, "date_paid_gmt"):
        found.append(order.event("order.paid", paid_at, amount))
    # A refund tells no time of its own: it is when the order was first seen with it.
    changed_at = _utc(told, "date_modified_gmt")
    for refund in parts(told, "refunds"):
        returned = abs(minor_units(text(refund, "total"), order.currency, "/refunds"))
        found.append(order.event("order.refunded", changed_at, returned, text(refund, "id")))
    if status in _ENDED:
        found.append(order.event("track", changed_at, amount, f"order.{status}"))
    return found


def _order(told: Mapping[str, Any], shop: str) -> Told:
    if not text(told, "id"):
        raise InvalidEvent("missing", "an order has an id", "/id")
    customer_id = text(told, "customer_id")
    billing = part(told, "billing")
    return Told(
        platform="woocommerce",
        order_id=text(told, "id"),
        currency=text(told, "currency") or "CNY",
        identifiers=[
            *named(customer_id if customer_id != "0" else "", "shop_customer_id", scope=shop),  # 0 buys as a guest
            *named(text(billing, "phone"), "phone"),
            *named(text(billing, "email"), "email"),
            *named(text(part(told, "shipping"), "phone"), "phone", "receiver"),
        ],
        items=events.items(parts(told, "line_items"), "quantity", "sku", "variation_id", "product_id"),
        properties={"number": told.get("number"), "created_via": told.get("created_via")},
        context={"ip": text(told, "customer_ip_address"), "user_agent": text(told, "customer_user_agent")},
    )


def _utc(told: Mapping[str, Any], name: str) -> str:
    """The times called `…_gmt` bear no zone."""
    at = text(told, name)
    return f"{at}Z" if at and not at.endswith("Z") else at
