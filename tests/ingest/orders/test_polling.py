"""Shops that run WooCommerce are asked for their orders: a shop that answers, over HTTP, and marks in PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from core.errors import Unavailable
from core.log.port import EVENTS, QUARANTINE
from core.session import Session
from ingest.channels import Channels
from ingest.commit import GroupCommit
from ingest.intake import Intake
from ingest.orders.polling import AGAIN_SECONDS_MAX, PAGE_ORDERS, Polling, pollings
from ingest.orders.woocommerce import WooCommerceAccount
from siyu.simulators.woocommerce_shop import WooCommerceShop
from tests.ingest.collecting import Collecting, TopicsLog
from tests.ingest.given import NOW, receiver
from tests.ingest.loopback import listening
from tests.ingest.signed import collecting, post, woocommerce

SECRET = "cs_secret"


@pytest.fixture
def shop() -> WooCommerceShop:
    return WooCommerceShop("ck_1", SECRET)


@pytest.fixture
def url(shop: WooCommerceShop) -> Iterator[str]:
    with listening(shop.application()) as url:
        yield url


@pytest.fixture
def to() -> Collecting:
    """What the webhook's collector and the poll bring their events to."""
    return collecting()


def at(seconds: int) -> str:
    return f"{NOW - timedelta(hours=2) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


Ask = Callable[[Polling], Awaitable[None]]


def ask(
    to: Collecting, engine: Engine, url: str, how: Ask = Polling.ask, polling: Polling | None = None, **more: Any
) -> Polling:
    """Ask the shop as a process does that has just begun, or as the one that has *polling*."""

    async def story() -> Polling:
        intake = Intake(receiver(), GroupCommit(to.log, EVENTS), GroupCommit(to.log, QUARANTINE), lambda: NOW)
        account = WooCommerceAccount(
            platform="woocommerce", secret="hush", url=url, consumer_key="ck_1", consumer_secret=SECRET
        )
        asking = polling or Polling("woo", account.model_copy(update=more), intake, engine)
        asking.intake = intake
        try:
            await how(asking)
        finally:
            await intake.close()
        return asking

    return asyncio.run(story())


def numbers(to: Collecting) -> set[str]:
    return {event["order"]["id"] for event in to.events}


def ids(to: Collecting) -> list[str]:
    return [event["id"] for event in to.events]


def test_what_a_webhook_lost_is_brought_by_asking(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    order = shop.put(1, at(0), billing={"phone": "13911112222"})
    to.log.failures.append(Unavailable("down"))
    assert post(to, "/collect/orders/woo", woocommerce("order.created", order)).status_code == 503

    ask(to, engine, url)

    assert [event["type"] for event in to.events] == ["order.placed"]
    assert to.events[0]["identifiers"][0]["value"] == "+8613911112222"


def test_what_both_tell_is_the_same_event(to: Collecting, engine: Engine, url: str, shop: WooCommerceShop) -> None:
    order = shop.put(1, at(0), status="cancelled", date_paid_gmt=at(0), refunds=[{"id": 5, "total": "-1.00"}])
    assert post(to, "/collect/orders/woo", woocommerce("order.updated", order)).status_code == 200
    told = to.events

    ask(to, engine, url)

    assert len(told) == 4
    assert to.events[4:] == told


def test_pages_follow_each_other(to: Collecting, engine: Engine, url: str, shop: WooCommerceShop) -> None:
    for number in range(250):
        shop.put(number + 1, at(number // 2))

    ask(to, engine, url)

    assert len(numbers(to)) == 250
    assert shop.asked[0] == {
        "modified_after": f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%S}",
        "dates_are_gmt": "true",
        "orderby": "modified",
        "order": "asc",
        "per_page": "100",
        "page": "1",
    }


def test_more_than_a_page_of_one_second_is_told_too(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    for number in range(1, 252):
        shop.put(number, at(0 if number < 251 else 1))

    ask(to, engine, url)

    assert len(numbers(to)) == 251


def test_what_is_modified_while_pages_are_read_pushes_nothing_out(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    for number in range(1, 251):
        shop.put(number, at(number))
    turn = iter(range(300, 400))

    def modify() -> None:
        for number in range(1, 11):
            shop.put(number, at(next(turn)))

    shop.on_page = modify

    ask(to, engine, url)

    assert len(numbers(to)) == 250


def test_a_process_that_dies_between_two_pages_loses_nothing(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    for number in range(1, 251):
        shop.put(number, at(number * 10))
    shop.on_page = lambda: to.log.failures.append(Unavailable("gone")) if len(shop.asked) == 2 else None

    with pytest.raises(Unavailable):
        ask(to, engine, url)
    assert len(numbers(to)) == PAGE_ORDERS
    ask(to, engine, url)

    assert len(numbers(to)) == 250
    assert shop.asked[2]["modified_after"] > shop.asked[0]["modified_after"], "it goes on where it was"


def test_what_was_told_is_not_told_again_until_it_changes(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    shop.put(1, at(0))
    shop.put(2, at(1))
    polling = ask(to, engine, url)

    shop.put(2, at(2), date_paid_gmt=at(2))
    ask(to, engine, url, polling=polling)
    ask(to, engine, url, polling=polling)

    assert [(event["type"], event["order"]["id"]) for event in to.events] == [
        ("order.placed", "1"),
        ("order.placed", "2"),
        ("order.placed", "2"),
        ("order.paid", "2"),
    ]
    assert len(set(ids(to))) == 3


def test_a_clock_that_runs_ahead_hides_no_order(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    shop.put(1, at(10**8))
    ask(to, engine, url)

    shop.put(2, at(2 * 3_600 - 60))
    ask(to, engine, url)

    assert "2" in numbers(to)


def test_an_order_that_cannot_be_read_is_kept_and_the_others_are_told(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    shop.put(1, at(0), total="much")
    shop.put(2, at(1))

    ask(to, engine, url)

    assert numbers(to) == {"2"}
    (kept,) = to.quarantined
    assert b'"much"' in kept.value
    assert kept.headers["ce_subject"] == "orders:woo"


def test_while_another_process_asks_this_one_does_not(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    shop.put(1, at(0))

    with Session(engine, "another") as session:
        assert session.try_lock("siyu.polling woo")
        ask(to, engine, url)
        assert not shop.asked
    ask(to, engine, url)

    assert numbers(to) == {"1"}


def turns(count: int, waited: list[float]) -> Ask:
    """Return what lets a polling run until it has *waited* so often."""

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == count:
            raise asyncio.CancelledError

    async def run(polling: Polling) -> None:
        polling.sleep = sleep
        with pytest.raises(asyncio.CancelledError):
            await polling.run()

    return run


def test_a_shop_that_fails_is_asked_again_later_and_later(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    shop.put(1, at(0))
    shop.statuses += [500, 429, 502, 301]
    waited: list[float] = []

    ask(to, engine, url, turns(6, waited))

    assert waited == [30.0, 120.0, 120.0, 240.0, 600.0, 600.0]
    assert numbers(to) == {"1"}


def test_wrong_credentials_are_logged_without_the_secret_and_tried_again(
    to: Collecting, engine: Engine, url: str, shop: WooCommerceShop
) -> None:
    shop.put(1, at(0))

    with capture_logs() as logs:
        ask(to, engine, url, turns(15, []), consumer_secret="cs_wrong")

    assert len(logs) == 15
    assert (logs[0]["shop"], logs[0]["reason"]) == ("woo", "the shop answers 401")
    assert logs[-1]["again_in_seconds"] == AGAIN_SECONDS_MAX
    assert "cs_wrong" not in str(logs)
    assert "ck_1" not in str(logs)


@pytest.mark.parametrize("gone", ["http://127.0.0.1:1", "http://127.0.0.1:1/shop/"])
def test_a_shop_that_is_not_there_is_unavailable(to: Collecting, engine: Engine, gone: str) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        ask(to, engine, gone)


ASKING = {"url": "https://shop.example", "consumer_key": "ck_1", "consumer_secret": SECRET}


@pytest.mark.parametrize(
    "written",
    [{"url": "https://shop.example"}, {"consumer_key": "ck_1"}, ASKING | {"url": "http://shop.example"}],
    ids=["no key", "no url", "in clear"],
)
def test_an_account_that_cannot_ask_or_would_tell_its_secret_is_refused(written: dict[str, str]) -> None:
    account = {"platform": "woocommerce", "secret": "hush"}

    with pytest.raises(ValueError, match="woo") as error:
        Channels.model_validate({"orders": {"woo": account | written}})

    assert SECRET not in str(error.value)


def test_only_shops_that_may_be_asked_are(engine: Engine) -> None:
    account = {"platform": "woocommerce", "secret": "hush"}
    known = Channels.model_validate(
        {
            "orders": {
                "asked": account | ASKING,
                "quiet": account,
                "shopify": {"platform": "shopify", "secret": "hush"},
            }
        }
    )
    intake = Intake(receiver(), GroupCommit(TopicsLog(), EVENTS), GroupCommit(TopicsLog(), QUARANTINE), lambda: NOW)

    assert [each.name for each in pollings(intake, engine, known.orders)] == ["asked"]
