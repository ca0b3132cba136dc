"""WeChat and WeCom, simulated, against the collectors: all that they send is taken, and what is forged is not."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from wechatpy.crypto import WeChatCrypto  # type: ignore[import-untyped]

from core.clock import Clock
from core.errors import Unavailable
from ingest.channels import Channels
from ingest.wechat.envelope import STALE_MAX
from ingest.wechat.official_account import WeChatAccount
from siyu.simulators import wechat, wecom
from siyu.simulators.posting import Sleep
from siyu.simulators.sending import Check, Simulator
from tests.ingest.collecting import PUBLIC_URL, Collecting
from tests.ingest.given import NOW

KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR"
APP_ID = "wx49f0ab532d5d035a"
ACCOUNTS: dict[str, dict[str, Any]] = {
    "wechat": {
        "plain": {"app_id": APP_ID, "token": "123456"},
        "safe": {"app_id": APP_ID, "token": "123456", "encoding_aes_key": KEY, "original_id": "gh_97417a04a28d"},
        "mini": {"app_id": APP_ID, "token": "123456", "encoding_aes_key": KEY, "kind": "mini_program"},
        "mini-plain": {"app_id": APP_ID, "token": "123456", "kind": "mini_program"},
    },
    "wecom": {
        "corp": {"corp_id": "ww1", "token": "123456", "encoding_aes_key": KEY},
        "suite": {"corp_id": "ww1", "token": "123456", "encoding_aes_key": KEY, "suite_id": "ww2"},
        "private": {"corp_id": "ww1", "token": "123456", "encoding_aes_key": KEY, "suite_id": "ww2", "receive_id": ""},
    },
}
KNOWN = Channels.model_validate(ACCOUNTS)
NAMES = [*ACCOUNTS["wechat"], *ACCOUNTS["wecom"]]


def simulator(name: str, clock: Clock, sleep: Sleep) -> Simulator:
    if name in KNOWN.wechat:
        return wechat.simulator(name, KNOWN.wechat[name], clock, sleep)
    return wecom.simulator(name, KNOWN.wecom[name], clock, sleep)


def run(name: str, to: Collecting, sleep: Callable[[float], None] = lambda _: None) -> list[Check]:
    def answered(request: httpx.Request) -> httpx.Response:
        assert request.extensions["timeout"]["read"] <= wechat.TIMEOUT_SECONDS
        headers = {header: value for header, value in request.headers.items() if header != "host"}
        got = to.send(request.method, str(request.url), content=request.read(), headers=headers)
        return httpx.Response(got.status_code, content=got.content, headers=got.headers)

    with httpx.Client(base_url=PUBLIC_URL, transport=httpx.MockTransport(answered)) as client:
        return list(simulator(name, lambda: NOW, sleep)(client))


@pytest.mark.parametrize("name", NAMES)
def test_a_platform_finds_every_answer_right(name: str) -> None:
    to = Collecting(ACCOUNTS)

    checks = run(name, to)

    assert [check for check in checks if not check.is_right] == []
    assert {check.expected for check in checks} >= {"403"}
    assert not to.quarantined
    assert "orged" not in str(to.events), "what is forged leaves no trace"
    told = [event["id"] for event in to.events]
    again = len(told) - len(set(told))
    assert again in {1, 2}, "what came twice is the same, and nothing else is"


KINDS = {
    "safe": {
        *("official_account.followed", "official_account.unfollowed", "official_account.scanned", "track"),
        *("official_account.menu_clicked", "official_account.messaged", "consent.given", "consent.withdrawn"),
        *("order.placed", "order.paid"),
    },
    "mini": {"support.opened", "consent.given", "consent.withdrawn", "track", "order.placed", "order.paid"},
    "suite": {
        *("wecom.contact_added", "wecom.contact_edited", "wecom.contact_removed", "consent.withdrawn", "track"),
    },
}


@pytest.mark.parametrize(("name", "kinds"), KINDS.items())
def test_all_kinds_of_events_come_of_it(name: str, kinds: set[str]) -> None:
    to = Collecting(ACCOUNTS)

    run(name, to)

    assert {event["type"] for event in to.events} == kinds


@pytest.mark.parametrize("name", ["safe", "corp"])
def test_while_the_log_is_down_it_comes_three_times_five_seconds_apart(name: str) -> None:
    to = Collecting(ACCOUNTS)
    to.log.failures += [Unavailable("down")] * 2
    slept: list[float] = []

    checks = run(name, to, slept.append)

    assert slept == [5.0, 5.0]
    assert [check for check in checks if not check.is_right] == []


def test_after_three_times_it_is_lost() -> None:
    to = Collecting(ACCOUNTS)
    to.log.failures += [Unavailable("down")] * 3

    wrong = [check for check in run("safe", to) if not check.is_right]

    assert [(check.name, check.seen[:3]) for check in wrong] == [("subscribe", "503")]


def test_an_order_is_pushed_ten_times_within_what_we_take_for_fresh() -> None:
    waits = wechat.STORE_WAITS_SECONDS

    assert len(waits) == 9
    assert 3.5 * 3_600 < sum(waits) < STALE_MAX.total_seconds()


@pytest.mark.parametrize("is_compatible", [False, True])
def test_an_independent_decoder_opens_what_it_seals(is_compatible: bool) -> None:
    account = WeChatAccount.model_validate(ACCOUNTS["wechat"]["safe"])
    told = {"ToUserName": "gh_1", "FromUserName": "o1", "CreateTime": 1, "MsgType": "event", "Event": "SCAN"}

    post = wechat.pushed(account, told, NOW, is_compatible)

    query = post.query
    opened = WeChatCrypto("123456", KEY, APP_ID).decrypt_message(
        post.made()[0].decode(), query["msg_signature"], query["timestamp"], query["nonce"]
    )
    assert "<Event><![CDATA[SCAN]]></Event>" in (opened if isinstance(opened, str) else opened.decode())
    assert (b"SCAN" in post.made()[0]) is is_compatible
