"""Whose deed an event is, by what it says itself and what others say beside it."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from random import Random
from typing import Any

import pytest

from core.event import Event, EventUid, Mention, Role, Trust
from profiles.touchpoint import Verdict
from stitcher import robots
from stitcher.robots import REASONS, Said, Sign
from tests.stitcher.histories import DAY, INDEX, SHIPPED

RULES = SHIPPED.robots

PHONE = Mention("phone", "+8613912345678", "", Role.RECIPIENT)
TOKEN = Mention("link_token", "t1", "sms", Role.HINT)

# Written by hand in the form that these programs have.
PEOPLE = {
    "wechat on android": "Mozilla/5.0 (Linux; Android 13; V2217A Build/TP1A.220624; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36 XWEB/1160117 MMWEBSDK/20231202 MicroMessenger/8.0.47.2560(0x28002F35)"
    " WeChat/arm64 Weixin NetType/WIFI Language/zh_CN ABI/arm64",
    "wechat on an iphone": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Mobile/15E148 MicroMessenger/8.0.44(0x18002c2d) NetType/4G Language/zh_CN",
    "wecom": "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/108.0.0.0 Safari/537.36"
    " wxwork/4.1.16 MicroMessenger/7.0.1 Language/zh ColorScheme/Light",
    "a mini-program": "Mozilla/5.0 (Linux; Android 12; M2012K11AC) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0"
    " Chrome/107.0.5304.141 Mobile Safari/537.36 XWEB/5075 MMWEBSDK/20230405 MMWEBID/1 MicroMessenger/8.0.35.2360"
    " WeChat/arm64 MiniProgramEnv/android",
    "safari": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"
    " Mobile/15E148 Safari/604.1",
    "chrome": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
}
MACHINES = {
    "a search engine": "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "another": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "a scanner": "BarracudaCentral/1.0",
    "a script": "python-requests/2.32.3",
    "a tool": "curl/8.5.0",
    "a browser of nobody": "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 HeadlessChrome/120.0.0.0 Safari/537.36",
}


def event(type: str = "mail.clicked", *who: Mention, id: str = "e", seconds: float = 0, **fields: Any) -> Event:
    at = DAY + timedelta(seconds=seconds)
    return Event(id, type, "mail", "laws", fields.pop("trust", Trust.SERVER), at, at, who, **fields)


@pytest.mark.parametrize("agent", PEOPLE.values(), ids=PEOPLE.keys())
def test_programs_with_which_people_read_are_no_robots(agent: str) -> None:
    for type in ("article.read", "sms.clicked", "mail.opened"):
        assert robots.verdict(event(type, context={"user_agent": agent}), RULES) == (Verdict.HUMAN, ())


@pytest.mark.parametrize("agent", MACHINES.values(), ids=MACHINES.keys())
def test_programs_that_nobody_reads_with_are_robots(agent: str) -> None:
    assert robots.verdict(event(context={"user_agent": agent}), RULES) == (Verdict.BOT, ("agent",))


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"properties": {"bot": True}}, ("declared",)),
        ({"context": {"bot": True}}, ("declared",)),
        ({"properties": {"honeypot": True}}, ("honeypot",)),
        ({"properties": {"machine_open": True}}, ("machine_open",)),
        ({"context": {"method": "HEAD"}}, ("method",)),
        ({"context": {"purpose": "prefetch"}}, ("prefetch",)),
        ({"context": {"purpose": "prefetch;prerender"}}, ("prefetch",)),
        ({"context": {"method": "HEAD", "user_agent": "curl/8.5.0"}}, ("agent", "method")),
    ],
    ids=str,
)
def test_what_says_so_itself_is_a_robots(fields: dict[str, Any], reasons: tuple[str, ...]) -> None:
    assert robots.verdict(event(**fields), RULES) == (Verdict.BOT, reasons)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"properties": {"bot": "yes", "honeypot": 1, "machine_open": "true"}},
        {"context": {"method": "GET", "purpose": "", "user_agent": "", "ip": "not an address"}},
        {"context": {"user_agent": 7, "ip": None, "purpose": None}},
        {"context": {"ip": "17.58.1.2"}},
    ],
    ids=str,
)
def test_without_evidence_it_was_a_human(fields: dict[str, Any]) -> None:
    assert robots.verdict(event(**fields), RULES) == (Verdict.HUMAN, ())


@pytest.mark.parametrize(
    "context",
    [
        {"user_agent": "Mozilla/5.0"},
        {"ip": "17.58.1.2"},
        {"user_agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"},
        {"user_agent": "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"},
    ],
    ids=str,
)
def test_who_opens_through_a_proxy_may_be_anybody_or_nobody(context: dict[str, Any]) -> None:
    assert robots.verdict(event("mail.opened", context=context), RULES) == (Verdict.SUSPECTED, ("proxy",))


def test_a_request_out_of_a_data_centre_is_suspected_and_what_only_a_page_reports_is_not() -> None:
    rules = replace(RULES, data_centres=(ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")))

    for address in ("203.0.113.9", "2001:db8::1"):
        context = {"ip": address}
        assert robots.verdict(event("sms.clicked", context=context), rules) == (Verdict.SUSPECTED, ("data_centre",))
        assert robots.verdict(event("article.read", context=context), rules) == (Verdict.HUMAN, ())


def test_what_no_machine_brings_about_is_judged_by_what_it_says_of_itself_only() -> None:
    context = {"user_agent": "python-requests/2.32.3", "method": "HEAD"}

    for type in ("order.paid", "mail.unsubscribed", "sms.opted_out", "consent.withdrawn", "sms.delivered"):
        assert robots.verdict(event(type, context=context), RULES, {"scanner"}) == (Verdict.HUMAN, ())
    assert robots.verdict(event("order.paid", context={"bot": True}), RULES)[0] is Verdict.BOT


def test_every_list_can_be_switched_off() -> None:
    off = replace(RULES, lists=False)

    assert robots.verdict(event(context={"user_agent": "curl/8.5.0"}), off) == (Verdict.HUMAN, ())


def test_of_several_reasons_the_worst_counts() -> None:
    for reasons in ({"too_soon"}, {"too_soon", "scanner"}):
        kinds = {REASONS[reason] for reason in reasons}
        expected = Verdict.BOT if Verdict.BOT in kinds else Verdict.SUSPECTED
        assert robots.verdict(event(), RULES, reasons) == (expected, tuple(sorted(reasons)))


# What events say for one another


def sign(uid: str, said: Said = Said.ACTED, seconds: float = 100, network: str | None = "n", link: str = "l") -> Sign:
    where = INDEX_OF[network] if network else None
    return Sign(EventUid(uid), said, DAY + timedelta(seconds=seconds), where, INDEX_OF[link])


INDEX_OF = {name: INDEX(PHONE.identifier.__class__("robots", "x", name)) for name in ("n", "m", "l", "l2", "l3")}


@pytest.mark.parametrize(
    ("others", "reasons"),
    [
        ([], None),
        ([sign("t", Said.TRAP)], {"scanner"}),
        ([sign("t", Said.TRAP, seconds=9_000)], {"scanner"}),
        ([sign("t", Said.TRAP, network="m")], None),
        ([sign("t", Said.TRAP, network=None)], None),
        ([sign("s", Said.SENT, seconds=98.5)], {"too_soon"}),
        ([sign("s", Said.SENT, seconds=98)], None),
        ([sign("s", Said.SENT, seconds=100.1)], None),
        ([sign("2", link="l2"), sign("3", link="l3", seconds=101.9)], {"burst"}),
        ([sign("2", link="l2"), sign("3", link="l3", seconds=102)], None),
        ([sign("2", link="l2"), sign("3", link="l3", network="m")], None),
        ([sign("2", link="l2"), sign("3", link="l2"), sign("4")], None),
        ([sign("t", Said.TRAP), sign("s", Said.SENT, seconds=99)], {"scanner", "too_soon"}),
    ],
    ids=range(13),
)
def test_what_others_say_of_a_message_is_a_reason(others: list[Sign], reasons: set[str] | None) -> None:
    message = [sign("1"), *others]

    assert robots.beside(message, RULES).get(EventUid("1")) == reasons
    for seed in range(5):
        assert robots.beside(Random(seed).sample(message, len(message)), RULES) == robots.beside(message, RULES)


def test_what_others_say_can_be_switched_off_by_its_seconds() -> None:
    off = replace(RULES, after_sending_seconds=0, burst_seconds=0)
    message = [sign("1"), sign("2", link="l2"), sign("3", link="l3"), sign("s", Said.SENT)]

    assert robots.beside(message, off) == {}


def said(event: Event) -> dict[Any, Sign]:
    return dict(robots.signs(event, event.uid, INDEX))


def test_a_message_is_known_by_its_id_or_its_token_together_with_to_whom_it_was_sent() -> None:
    other = replace(PHONE, value="+8613912345679")
    by_token, by_id = event("sms.clicked", TOKEN, PHONE), event("sms.delivered", PHONE, properties={"message_id": "m"})
    by_both = event("sms.clicked", TOKEN, PHONE, properties={"message_id": "m"})

    assert said(by_both).keys() == said(by_token).keys() | said(by_id).keys()
    assert len(said(by_both)) == 2
    assert not said(event("sms.clicked", TOKEN, other)).keys() & said(by_token).keys()


@pytest.mark.parametrize("name", ["message_id", "sg_message_id", "sending"])
def test_links_of_one_message_belong_together(name: str) -> None:
    clicks = [event("link.clicked", replace(TOKEN, value=t), PHONE, properties={name: "m"}) for t in ("t1", "t2")]

    assert len(said(clicks[0]).keys() & said(clicks[1]).keys()) == 1


@pytest.mark.parametrize(
    "silent",
    [
        event("sms.clicked", TOKEN),
        event("sms.clicked", PHONE),
        event("sms.clicked", TOKEN, PHONE, trust=Trust.BROWSER),
        event("article.read", TOKEN, PHONE),
    ],
    ids=["sent to nobody", "no message", "told by the public", "no message's event"],
)
def test_other_events_say_nothing_of_messages(silent: Event) -> None:
    assert said(silent) == {}


def test_neighbours_in_a_network_are_one_and_no_address_is_kept() -> None:
    def network(address: str) -> object:
        (sign,) = said(event("sms.clicked", TOKEN, PHONE, context={"ip": address})).values()
        return sign.network

    assert network("203.0.113.9") == network("203.0.113.200") != network("203.0.114.9")
    assert network("2001:db8:1:2::1") == network("2001:db8:1:3::1") != network("2001:db8:2::1")
    assert network("nowhere") is None
