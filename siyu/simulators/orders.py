"""Shopify, WooCommerce and Youzan as they behave: one order through its states, signed, and sent as each of them does."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from core.clock import Clock, system_clock
from ingest.orders.collecting import OrdersAccount
from ingest.orders.shopify import ShopifyAccount
from ingest.orders.woocommerce import WooCommerceAccount
from ingest.orders.youzan import YouzanAccount
from siyu.simulators.posting import Made, Post, Sleep, forged, posted
from siyu.simulators.sending import Check, Simulator

# When each tries again: Shopify eight times in four hours; WooCommerce never; of Youzan it is not published.
SHOPIFY_WAITS_SECONDS = (60, 120, 300, 600, 1_200, 2_400, 4_200, 5_520)
WOOCOMMERCE_WAITS_SECONDS = ()
YOUZAN_WAITS_SECONDS = (60, 300, 1_800)

_SUCCESS = '{"code":0,"msg":"success"}'


def simulator(name: str, account: OrdersAccount, clock: Clock = system_clock, sleep: Sleep = time.sleep) -> Simulator:
    """Return the shop called *name*."""

    def run(client: httpx.Client) -> Iterator[Check]:
        posts, waits = _behaviour(account, clock)
        again = Post("sends it again", posts[-1].made, content=posts[-1].content)
        attack = Post("says something else", forged(posts[-1].made), 403)
        yield from posted(client, f"/collect/orders/{name}", [*posts, again, attack], waits, sleep)

    return run


def hmac_signed(secret: str, body: bytes, header: str, **more: str) -> tuple[bytes, Mapping[str, str]]:
    """Return *body* as Shopify and WooCommerce sign it."""
    signature = base64.b64encode(hmac.new(secret.encode(), body, "sha256").digest()).decode()
    return body, {header: signature, "Content-Type": "application/json", **more}


def shopify_made(account: ShopifyAccount, topic: str, told: Any) -> Made:
    """Return how Shopify posts *told* under *topic*."""
    return lambda: hmac_signed(
        account.secret, orjson.dumps(told), "X-Shopify-Hmac-Sha256", **{"X-Shopify-Topic": topic}
    )


def woocommerce_made(account: WooCommerceAccount, topic: str, told: Any) -> Made:
    """Return how WooCommerce posts *told* under *topic*."""
    return lambda: hmac_signed(
        account.secret, orjson.dumps(told), "X-WC-Webhook-Signature", **{"X-WC-Webhook-Topic": topic}
    )


def youzan_made(account: YouzanAccount, kind: str, told: Any, **more: Any) -> Made:
    """Return how Youzan pushes *told*: as encoded text within JSON, which is what it signs."""
    message = quote(orjson.dumps(told).decode())
    signed = (account.client_id + message + account.client_secret).encode()
    signature = hashlib.md5(signed, usedforsecurity=False).hexdigest()
    envelope = {
        "client_id": account.client_id,
        "kdt_id": account.kdt_id,
        "mode": 1,
        "msg": message,
        "msg_id": hashlib.sha256(kind.encode() + signed).hexdigest()[:32],
        "sign": signature,
        "test": False,
        "type": kind,
    }
    return lambda: (orjson.dumps({**envelope, **more}), {"Content-Type": "application/json"})


def _behaviour(account: OrdersAccount, clock: Clock) -> tuple[list[Post], tuple[float, ...]]:
    at = clock().replace(microsecond=0)
    number = int(at.timestamp())
    match account:
        case ShopifyAccount():
            return _shopify(account, number, at.isoformat()), SHOPIFY_WAITS_SECONDS
        case WooCommerceAccount():
            return _woocommerce(account, number, at.isoformat()[:19]), WOOCOMMERCE_WAITS_SECONDS
        case YouzanAccount():
            return _youzan(account, number), YOUZAN_WAITS_SECONDS


def _shopify(account: ShopifyAccount, number: int, at: str) -> list[Post]:
    order = {
        "id": number,
        "created_at": at,
        "updated_at": at,
        "currency": "CNY",
        "total_price": "129.10",
        "customer": {"id": 71, "email": "buyer@siyu.example", "phone": "+8613911112222"},
        "shipping_address": {"phone": "+8613733334444"},
        "landing_site": "/?utm_source=simulated&gclid=abc",
        "line_items": [{"sku": "tea-1", "quantity": 2}],
    }
    back = {"id": number, "created_at": at, "transactions": [{"kind": "refund", "amount": "10.10", "currency": "CNY"}]}
    told = [("orders/create", order), ("orders/paid", order), ("orders/updated", {**order, "refunds": [back]})]
    return [Post(topic, shopify_made(account, topic, what)) for topic, what in told]


def _woocommerce(account: WooCommerceAccount, number: int, at: str) -> list[Post]:
    order = {
        "id": number,
        "status": "pending",
        "currency": "CNY",
        "total": "129.10",
        "customer_id": 71,
        "date_created_gmt": at,
        "date_modified_gmt": at,
        "date_paid_gmt": None,
        "billing": {"email": "buyer@siyu.example", "phone": "13911112222"},
        "line_items": [{"sku": "tea-1", "quantity": 2}],
    }
    paid = {**order, "status": "processing", "date_paid_gmt": at}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return [
        Post("pings", lambda: (b"webhook_id=1", form)),
        Post("order.created", woocommerce_made(account, "order.created", order)),
        Post("order.updated", woocommerce_made(account, "order.updated", paid)),
    ]


def _youzan(account: YouzanAccount, number: int) -> list[Post]:
    info = {"tid": f"E{number}", "created": "2026-11-03 21:00:00", "pay_time": "2026-11-03 21:01:00"}
    buyer = {"yz_open_id": "simulated1", "buyer_phone": "13911112222"}
    order = {"order_info": info, "buyer_info": buyer, "pay_info": {"payment": "129.10"}}
    told = {"full_order_info": order}
    probe = youzan_made(account, "trade_TradeCreate", told, test=True, sign="")
    return [
        Post("probes", probe, content=_SUCCESS),
        Post("trade_TradeCreate", youzan_made(account, "trade_TradeCreate", told, version=number), content=_SUCCESS),
        Post("trade_TradePaid", youzan_made(account, "trade_TradePaid", told, version=number), content=_SUCCESS),
    ]
