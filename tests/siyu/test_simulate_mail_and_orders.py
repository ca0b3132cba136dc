"""Providers of mail, shops and senders of webhooks, simulated, against the collectors as they are."""

from collections.abc import Callable

import pytest

from core.clock import Clock
from core.errors import InvalidSetting, Unavailable
from ingest.channels import Channels
from siyu.simulators import mail, orders, webhook
from siyu.simulators.posting import Sleep
from siyu.simulators.sending import Check, Simulator
from tests.ingest.collecting import Collecting
from tests.ingest.given import NOW
from tests.ingest.signed import amazon_key, channels, client, collecting, elliptic_key, pem

ACCOUNTS = Channels.model_validate(channels())
KEYS = {"sendgrid": pem(elliptic_key()), "ses": pem(amazon_key()), "mailgun": None}


def simulators(clock: Clock, sleep: Sleep) -> dict[str, Simulator]:
    """One of each."""
    return {
        **{name: mail.simulator(name, one, KEYS[name], clock, sleep) for name, one in ACCOUNTS.mail.items()},
        **{name: orders.simulator(name, one, clock, sleep) for name, one in ACCOUNTS.orders.items()},
        **{name: webhook.simulator(name, one, clock, sleep) for name, one in ACCOUNTS.webhooks.items()},
    }


NAMES = ["sendgrid", "mailgun", "ses", "shopify", "woo", "youzan", "crm", "erp"]


def run(name: str, to: Collecting, sleep: Callable[[float], None] = lambda _: None) -> list[Check]:
    return list(simulators(lambda: NOW, sleep)[name](client(to)))


@pytest.mark.parametrize("name", NAMES)
def test_a_platform_finds_every_answer_right(name: str) -> None:
    to = collecting()

    checks = run(name, to)

    assert [check for check in checks if not check.is_right] == []
    assert any(check.expected == "403" for check in checks)
    assert len(to.events) > len({event["id"] for event in to.events}), "something came twice"
    assert not to.quarantined


@pytest.mark.parametrize(
    ("name", "waits"),
    [("shopify", list(orders.SHOPIFY_WAITS_SECONDS)), ("crm", list(webhook.WAITS_SECONDS)), ("woo", [])],
)
def test_while_the_log_is_down_it_comes_again_as_the_platform_does(name: str, waits: list[float]) -> None:
    to = collecting()
    to.log.failures += [Unavailable("the log is down")] * (len(waits) or 1)
    slept: list[float] = []

    checks = run(name, to, slept.append)

    assert slept == waits
    lost = [check.name for check in checks if not check.is_right]
    assert lost == (["order.created"] if name == "woo" else []), "WooCommerce never comes again"
    assert to.events


def test_shopify_tries_eight_times_in_four_hours() -> None:
    assert (len(orders.SHOPIFY_WAITS_SECONDS), sum(orders.SHOPIFY_WAITS_SECONDS)) == (8, 4 * 3_600)


@pytest.mark.parametrize(("name", "key"), [("sendgrid", None), ("ses", pem(elliptic_key())), ("sendgrid", b"no key")])
def test_who_has_not_the_key_cannot_sign(name: str, key: bytes | None) -> None:
    with pytest.raises(InvalidSetting):
        mail.simulator(name, ACCOUNTS.mail[name], key)
