"""Shopify's webhooks."""

from typing import Any

from ingest.proof import hmac_base64
from tests.ingest.given import NOW
from tests.ingest.signed import collecting, post, shopify

PATH = "/collect/orders/shopify"

ORDER = {
    "id": 820982911946154508,
    "name": "#9999",
    "created_at": "2026-11-03T20:00:00+08:00",
    "updated_at": "2026-11-03T20:05:00+08:00",
    "cancelled_at": "2026-11-03T20:09:00+08:00",
    "cancel_reason": "customer",
    "currency": "CNY",
    "total_price": "129.10",
    "email": "Buyer@b.example",
    "phone": None,
    "customer": {"id": 115310627314723954, "email": "buyer@b.example", "phone": "+8613911112222"},
    "billing_address": {"phone": "13655556666"},
    "shipping_address": {"phone": "137 3333 4444"},
    "landing_site": "/tea?utm_source=wx&utm_campaign=autumn&gclid=abc",
    "client_details": {"browser_ip": "203.0.113.7", "user_agent": "Mozilla/5.0"},
    "line_items": [{"sku": "tea-1", "quantity": 2}, {"sku": "", "variant_id": 7, "quantity": 1}, {"quantity": 1}],
}


def told(topic: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that come of *body* under *topic*."""
    to = collecting()
    assert post(to, PATH, shopify(topic, body)).status_code == 200
    assert not to.quarantined
    return to.events


def test_the_signature_is_the_one_computed_elsewhere() -> None:
    assert hmac_base64(b"hush", b'{"id":1}') == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="


def test_an_order_is_taken_with_its_amount_its_items_and_how_its_buyer_came() -> None:
    (event,) = told("orders/create", ORDER)

    assert event["type"] == "order.placed"
    assert event["occurred_at"] == "2026-11-03T12:00:00Z"
    assert event["strength"] == "declared"
    items = [{"sku": "tea-1", "quantity": 2}, {"sku": "7", "quantity": 1}]
    assert event["order"] == {"id": "820982911946154508", "amount": 12910, "currency": "CNY", "items": items}
    assert event["campaign"] == {"source": "wx", "name": "autumn"}
    assert event["context"] == {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0"}
    assert event["properties"] == {"number": "#9999", "landing_site": ORDER["landing_site"]}


def test_who_pays_and_who_receives_a_gift_are_not_the_buyer() -> None:
    (event,) = told("orders/create", ORDER)

    assert {(one["namespace"], one["scope"], one["value"], one["role"]) for one in event["identifiers"]} == {
        ("shop_customer_id", "shopify", "115310627314723954", "subject"),
        ("phone", "", "+8613911112222", "subject"),
        ("email", "", "buyer@b.example", "subject"),
        ("phone", "", "+8613655556666", "payer"),
        ("phone", "", "+8613733334444", "receiver"),
        ("click_id", "google", "abc", "hint"),
    }


def test_a_masked_and_a_virtual_number_name_nobody() -> None:
    body = {**ORDER, "customer": {"phone": "138****8000"}, "phone": "13812345678-1234", "billing_address": None}

    (event,) = told("orders/create", body)

    phones = [(one["value"], one["role"]) for one in event["identifiers"] if one["namespace"] == "phone"]
    assert phones == [("+8613733334444", "receiver")]
    assert len(event["dropped"]) == 2


def test_each_state_is_an_event_of_its_own_in_whatever_order_they_come() -> None:
    topics = ["orders/cancelled", "orders/paid", "orders/create"]

    events = [event for topic in topics for event in told(topic, ORDER)]

    assert [event["type"] for event in events] == ["track", "order.paid", "order.placed"]
    assert len({event["id"] for event in events}) == 3
    assert {event["order"]["amount"] for event in events} == {12910}
    assert events[0]["properties"] == {
        "event": "order.cancelled",
        "reason": "customer",
        "number": "#9999",
        "landing_site": ORDER["landing_site"],
    }


def test_refunds_are_events_of_their_own_and_the_buyers() -> None:
    back = [{"kind": "refund", "amount": "10.10", "currency": "CNY"}, {"kind": "sale", "amount": "1.00"}]
    one = {"id": 1, "order_id": 5, "created_at": ORDER["created_at"], "transactions": back}

    (first,) = told("orders/updated", {**ORDER, "refunds": [one]})
    both = told("orders/updated", {**ORDER, "refunds": [one, {**one, "id": 2}]})

    assert (first["order"]["id"], first["order"]["amount"]) == (str(ORDER["id"]), 1010)
    assert first["identifiers"][0]["value"] == "115310627314723954"
    assert [event["type"] for event in both] == ["order.refunded", "order.refunded"]
    assert both[0]["id"] == first["id"] != both[1]["id"]


def test_a_refund_by_itself_names_nobody_and_takes_no_place_of_one_that_does() -> None:
    (event,) = told("refunds/create", {"id": 1, "order_id": 5, "created_at": ORDER["created_at"]})

    assert event["properties"] == {"event": "refunds/create", "id": 1, "order_id": 5}


def test_yen_have_no_minor_unit() -> None:
    assert told("orders/create", {**ORDER, "currency": "JPY", "total_price": "1500"})[0]["order"]["amount"] == 1500


def test_an_amount_that_does_not_come_out_even_is_kept_and_not_rounded() -> None:
    to = collecting()

    assert post(to, PATH, shopify("orders/create", {**ORDER, "total_price": "1.005"})).status_code == 200
    assert [record.headers["ce_code"] for record in to.quarantined] == ["invalid_amount"]
    assert not to.events


def test_whom_the_shop_must_forget_has_withdrawn_and_is_to_be_erased() -> None:
    customer = {"id": 7, "email": "a@b.example", "phone": "+8613911112222"}

    (event,) = told("customers/redact", {"shop_id": 9, "customer": customer, "orders_to_redact": [1]})

    assert event["type"] == "consent.withdrawn"
    assert event["properties"]["erase"] is True
    assert {one["role"] for one in event["identifiers"]} == {"subject"}
    assert event["occurred_at"] == NOW.isoformat().replace("+00:00", "Z")


def test_other_demands_are_kept_for_whoever_must_meet_them() -> None:
    asked = told("customers/data_request", {"shop_id": 9, "customer": {"id": 7}, "data_request": {"id": 3}})
    closed = told("shop/redact", {"shop_id": 9, "shop_domain": "a.example"})

    assert [event["properties"] for event in [*asked, *closed]] == [
        {"event": "customers/data_request", "shop_id": 9, "data_request_id": 3},
        {"event": "shop/redact", "erase": True, "shop_id": 9},
    ]
    assert asked[0]["identifiers"][0]["namespace"] == "shop_customer_id"
    assert closed[0].get("identifiers", []) == []


def test_without_a_topic_it_tells_nothing_and_is_kept() -> None:
    to = collecting()
    content, headers = shopify("orders/create", ORDER)
    untitled = {name: value for name, value in headers.items() if name != "X-Shopify-Topic"}

    assert post(to, PATH, (content, untitled)).status_code == 200
    assert [record.headers["ce_code"] for record in to.quarantined] == ["missing"]
