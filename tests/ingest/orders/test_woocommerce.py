"""WooCommerce's webhooks."""

from typing import Any

import pytest

from tests.ingest.signed import collecting, post, woocommerce

PATH = "/collect/orders/woo"

ORDER: dict[str, Any] = {
    "id": 727,
    "number": "727",
    "status": "processing",
    "currency": "CNY",
    "total": "29.35",
    "customer_id": 12,
    "date_created_gmt": "2026-11-03T12:00:00",
    "date_modified_gmt": "2026-11-03T12:08:00",
    "date_paid_gmt": "2026-11-03T12:01:00",
    "billing": {"email": "john@b.example", "phone": "13911112222"},
    "shipping": {"phone": "13733334444"},
    "line_items": [{"sku": "", "product_id": 93, "variation_id": 0, "quantity": 2}],
    "refunds": [{"id": 726, "reason": "late", "total": "-10.00"}],
    "customer_ip_address": "203.0.113.7",
}


def told(topic: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that come of *body* under *topic*."""
    to = collecting()
    assert post(to, PATH, woocommerce(topic, body)).status_code == 200
    assert not to.quarantined
    return to.events


def test_an_order_tells_all_states_that_it_has_been_in() -> None:
    events = told("order.updated", ORDER)

    assert [(event["type"], event["occurred_at"], event["order"]["amount"]) for event in events] == [
        ("order.placed", "2026-11-03T12:00:00Z", 2935),
        ("order.paid", "2026-11-03T12:01:00Z", 2935),
        ("order.refunded", "2026-11-03T12:08:00Z", 1000),
    ]
    assert events[0]["order"]["items"] == [{"sku": "93", "quantity": 2}]


def test_what_was_told_before_is_the_same_event_so_that_a_lost_webhook_is_made_up_for() -> None:
    before = told("order.created", {**ORDER, "status": "pending", "date_paid_gmt": None, "refunds": []})

    after = told("order.updated", ORDER)

    assert [event["type"] for event in before] == ["order.placed"]
    assert before[0]["id"] == after[0]["id"]
    assert len({event["id"] for event in after}) == 3


def test_the_buyer_is_who_bought_and_not_who_receives() -> None:
    event = told("order.created", ORDER)[0]

    assert [(one["namespace"], one["value"], one["role"]) for one in event["identifiers"]] == [
        ("shop_customer_id", "12", "subject"),
        ("phone", "+8613911112222", "subject"),
        ("email", "john@b.example", "subject"),
        ("phone", "+8613733334444", "receiver"),
    ]


def test_guests_are_not_one_customer() -> None:
    event = told("order.created", {**ORDER, "customer_id": 0})[0]

    assert {one["namespace"] for one in event["identifiers"]} == {"phone", "email"}


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_an_order_that_came_to_nothing_says_so(status: str) -> None:
    last = told("order.updated", {**ORDER, "status": status, "refunds": []})[-1]

    assert (last["type"], last["properties"]["event"]) == ("track", f"order.{status}")


def test_a_draft_is_no_order() -> None:
    assert told("order.created", {**ORDER, "status": "checkout-draft"}) == []


def test_its_first_ping_is_answered_and_tells_nothing() -> None:
    to = collecting()
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    assert post(to, PATH, (b"webhook_id=12", form)).status_code == 200
    assert post(to, PATH, (b"webhook_id=12&id=1", form)).status_code == 403
    assert post(to, PATH, (b"webhook_id=12", {"X-WC-Webhook-Signature": "x"})).status_code == 403
    assert not to.events
    assert not to.quarantined


def test_a_deleted_order_is_kept_as_what_it_is_called() -> None:
    (event,) = told("order.deleted", {"id": 727})

    assert event["properties"] == {"event": "order.deleted", "id": 727}
