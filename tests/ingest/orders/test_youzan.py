"""Youzan's pushes."""

import hashlib
from typing import Any
from urllib.parse import unquote

import orjson
import pytest

from ingest.orders.youzan import signature
from tests.ingest.given import NOW
from tests.ingest.signed import Request, collecting, post, youzan

PATH = "/collect/orders/youzan"
SUCCESS = b'{"code":0,"msg":"success"}'

ORDER: dict[str, Any] = {
    "order_info": {"tid": "E2026", "created": "2026-11-03 20:00:00", "pay_time": "2026-11-03 20:01:00"},
    "buyer_info": {"yz_open_id": "yz-1", "buyer_phone": "13911112222"},
    "address_info": {"receiver_tel": "13733334444"},
    "pay_info": {"payment": "129.10"},
    "orders": [{"outer_sku_id": "tea-1", "num": 2}, {"sku_id": 8, "num": "3"}],
}


def told(kind: str, order: dict[str, Any] = ORDER, **more: Any) -> list[dict[str, Any]]:
    """The events that come of one push."""
    to = collecting()
    answer = post(to, PATH, youzan(kind, {"full_order_info": order}, **more))
    assert (answer.status_code, answer.content) == (200, SUCCESS)
    assert not to.quarantined
    return to.events


def test_the_signature_is_the_one_computed_elsewhere() -> None:
    assert signature("abc", b"%7B%22tid%22%3A%22E1%22%7D", "s3") == "46b7097904f83f135119fbcbfae10347"


@pytest.mark.parametrize(
    ("kind", "ours", "at"),
    [
        ("trade_TradeCreate", "order.placed", "2026-11-03T12:00:00Z"),
        ("trade_TradePaid", "order.paid", "2026-11-03T12:01:00Z"),
    ],
)
def test_an_order_is_taken_at_the_time_of_its_state(kind: str, ours: str, at: str) -> None:
    (event,) = told(kind)

    assert (event["type"], event["occurred_at"]) == (ours, at)
    items = [{"sku": "tea-1", "quantity": 2}, {"sku": "8", "quantity": 3}]
    assert event["order"] == {"id": "E2026", "amount": 12910, "currency": "CNY", "items": items}
    assert [(one["namespace"], one["value"], one["role"]) for one in event["identifiers"]] == [
        ("shop_customer_id", "yz-1", "subject"),
        ("phone", "+8613911112222", "subject"),
        ("phone", "+8613733334444", "receiver"),
    ]


@pytest.mark.parametrize("phone", ["139****2222", "$Wd3+encrypted==$1$", "13911112222转1234"])
def test_a_phone_that_is_masked_encrypted_or_virtual_names_nobody(phone: str) -> None:
    (event,) = told("trade_TradePaid", {**ORDER, "buyer_info": {"buyer_phone": phone}, "address_info": None})

    assert event.get("identifiers", []) == []
    assert len(event["dropped"]) == 1


def test_a_probe_is_answered_and_tells_nothing() -> None:
    to = collecting()

    for sign in ("", "forged"):
        answer = post(to, PATH, youzan("trade_TradePaid", {"full_order_info": ORDER}, test=True, sign=sign))
        assert (answer.status_code, answer.content) == (200, SUCCESS)
    assert not to.events
    assert not to.quarantined


def signed_otherwise(how: str) -> Request:
    """A push whose message is signed decoded, or whose body is signed in the header."""
    body, headers = youzan("trade_TradePaid", {"full_order_info": ORDER})
    envelope = orjson.loads(body)
    if how == "decoded":
        message = unquote(envelope["msg"])
        return orjson.dumps(envelope | {"sign": hashlib.md5(f"abc{message}s3s3".encode()).hexdigest()}), headers
    body = orjson.dumps(envelope | {"sign": ""})
    return body, {**headers, "Event-Sign": hashlib.md5(b"abc" + body + b"s3s3").hexdigest()}


@pytest.mark.parametrize("how", ["decoded", "header"])
def test_the_other_two_ways_to_sign_are_believed_and_only_with_the_secret(how: str) -> None:
    to = collecting()
    content, headers = signed_otherwise(how)

    assert post(to, PATH, (content, headers)).status_code == 200
    assert post(to, PATH, (content.replace(b"E2026", b"E2027"), headers)).status_code == 403
    assert [event["type"] for event in to.events] == ["order.paid"]


@pytest.mark.parametrize("more", [{"kdt_id": "43"}, {"client_id": "abd"}])
def test_another_shop_or_app_is_refused(more: dict[str, str]) -> None:
    request = youzan("trade_TradePaid", {"full_order_info": ORDER}, **more)

    assert post(collecting(), PATH, request).status_code == 403


@pytest.mark.parametrize("version", [int(NOW.timestamp()), int(NOW.timestamp()) * 1_000])
def test_where_an_order_tells_no_time_the_push_does_in_seconds_or_milliseconds(version: int) -> None:
    (event,) = told("trade_TradePaid", {**ORDER, "order_info": {"tid": "E2026"}}, version=version)

    assert event["occurred_at"] == "2026-11-03T13:00:00Z"


def test_what_we_have_no_word_for_keeps_its_name_and_who_bought() -> None:
    (event,) = told("trade_TradeSuccess", status="TRADE_SUCCESS", id="E2026")

    assert event["properties"] == {"event": "trade_TradeSuccess", "status": "TRADE_SUCCESS", "order_id": "E2026"}
    assert event["identifiers"][0]["value"] == "yz-1"


def test_a_message_that_cannot_be_read_is_kept() -> None:
    to = collecting()
    body, headers = youzan("trade_TradePaid", [])

    assert post(to, PATH, (body, headers)).content == SUCCESS
    assert [record.headers["ce_code"] for record in to.quarantined] == ["invalid_type"]
