"""Clicks on ads: they attribute, they name at most a device, and they never make one person of two."""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import ValidationError

from core.event import Role, decode
from core.identifier import Drop
from ingest.ads.clicks import hashed
from ingest.ads.platforms import PLATFORMS
from ingest.channels import Channels
from stitcher import graph
from stitcher.resolve import resolve
from stitcher.rules import shipped
from tests.ingest.collecting import Collecting
from tests.ingest.given import INDEX

KEY = "k" * 32
CHANNELS = {
    "ads": {
        "tencent": {"platform": "tencent", "secret": KEY, "app_id": "wx8a1"},
        "second": {"platform": "tencent", "secret": KEY, "app_id": "wx8a1"},
        "plain": {"platform": "tencent", "secret": KEY},
        "ocean": {"platform": "ocean_engine", "secret": KEY},
        "baidu": {"platform": "baidu", "secret": KEY},
        "kuaishou": {"platform": "kuaishou", "secret": KEY},
    }
}
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1"
SECONDS = 1793710867  # 2026-11-03T13:01:07Z
OAID = "1fe9a970-efbb-29e0-0bdd-f5dbbf751ab5"
OAID_MD5 = "83e9158a4fb54c0e1ef0b238639a23ae"
IMEI_MD5 = "8d3ebd3654fb46a2832296669cf1b536"
NOBODY = [
    hashlib.md5(written.encode(), usedforsecurity=False).hexdigest()
    for written in ("00000000-0000-0000-0000-000000000000", "02:00:00:00:00:00", "020000000000", "0" * 15, "", "null")
]


@pytest.fixture
def collecting() -> Collecting:
    return Collecting(CHANNELS)


def clicked(collecting: Collecting, account: str, **parameters: object) -> httpx.Response:
    """Report a click with *parameters*."""
    return collecting.send("GET", f"/collect/ads/{account}", params={"key": KEY, **parameters})


def the_event(collecting: Collecting) -> dict[str, Any]:
    (event,) = collecting.events
    return event


def named(collecting: Collecting) -> set[tuple[str, str, str, str]]:
    many = the_event(collecting)["identifiers"]
    return {(one["namespace"], one["scope"], one["value"], one["role"]) for one in many}


@pytest.mark.parametrize(
    ("account", "answer"),
    [
        ("tencent", '{"ret":0,"msg":"ok"}'),
        ("ocean", '{"code":0,"msg":"ok"}'),
        ("baidu", '{"code":0,"msg":"ok"}'),
        ("kuaishou", '{"code":0,"msg":"ok"}'),
    ],
)
def test_each_platform_hears_what_it_wants(collecting: Collecting, account: str, answer: str) -> None:
    heard = clicked(collecting, account, ts=1)

    assert (heard.status_code, heard.text) == (200, answer)
    assert heard.headers["content-type"] == "application/json; charset=utf-8"


def test_a_click_of_tencent_is_what_its_macros_say(collecting: Collecting) -> None:
    clicked(
        collecting,
        "tencent",
        click_id="24oi6xq2aaakvagnqu7a",
        click_time=SECONDS,
        adgroup_id="228691429",
        adgroup_name="春季",
        muid=IMEI_MD5.upper(),
        device_os_type="android",
        hash_oaid=OAID_MD5,
        wechat_open_id="oXY",
        ip="203.0.113.7",
        user_agent="Mozilla/5.0",
        callback="http://tracking.e.qq.com/conv?cb=MTIz&conv_id=1",
        request_id="__REQUEST_ID__",
    )

    event = the_event(collecting)
    assert (event["type"], event["channel"], event["occurred_at"]) == ("ad.clicked", "ads", "2026-11-03T13:01:07Z")
    assert event["campaign"] == {"id": "228691429", "source": "tencent", "medium": "cpc", "name": "春季"}
    assert event["context"] == {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0", "verified": False}
    assert event["properties"] == {"os": "android", "callback": "http://tracking.e.qq.com/conv?cb=MTIz&conv_id=1"}
    assert named(collecting) == {
        ("click_id", "tencent", "24oi6xq2aaakvagnqu7a", "hint"),
        ("device_id", "imei_md5", IMEI_MD5, "context"),
        ("device_id", "oaid_md5", OAID_MD5, "context"),
        ("wechat_openid", "wx8a1", "oXY", "subject"),
    }


def test_an_openid_without_the_account_it_is_valid_in_names_nobody(collecting: Collecting) -> None:
    clicked(collecting, "plain", wechat_open_id="oXY")

    assert the_event(collecting)["identifiers"] == []


@pytest.mark.parametrize(
    ("written", "kept"), [(SECONDS, "13:01:07"), (SECONDS * 1000, "13:01:07"), ("", "13:00:00"), ("x", "13:00:00")]
)
def test_seconds_and_milliseconds_are_told_apart(collecting: Collecting, written: object, kept: str) -> None:
    clicked(collecting, "ocean", ts=written)

    assert the_event(collecting)["occurred_at"] == f"2026-11-03T{kept}Z"


@pytest.mark.parametrize(("os", "scope"), [("ios", "idfa_md5"), ("Android", "imei_md5"), ("", "muid_md5")])
def test_the_one_id_of_tencent_is_of_the_kind_that_the_system_has(collecting: Collecting, os: str, scope: str) -> None:
    clicked(collecting, "tencent", muid=IMEI_MD5, device_os_type=os)

    assert named(collecting) == {("device_id", scope, IMEI_MD5, "context")}


def test_devices_are_hashed_as_the_public_vectors_have_it() -> None:
    assert hashed("imei", "868049039501257") == ("imei_md5", IMEI_MD5)
    assert hashed("oaid", OAID) == ("oaid_md5", OAID_MD5)
    assert hashlib.sha256(OAID_MD5.encode()).hexdigest() == (
        "a58f9fffa86c12e6fb43f5232a46d53ef06196f4be138d185a09b1294c736c50"
    )


def test_a_device_is_one_whoever_reports_it_and_however(collecting: Collecting) -> None:
    clicked(collecting, "ocean", oaid=OAID)
    clicked(collecting, "baidu", oaid_md5=OAID_MD5)
    clicked(collecting, "tencent", hash_oaid=OAID_MD5)

    assert {one["value"] for event in collecting.events for one in event["identifiers"]} == {OAID_MD5}
    assert OAID not in str(collecting.events)


@pytest.mark.parametrize("value", [*NOBODY, "00000000-0000-0000-0000-000000000000", "null", "0"])
@pytest.mark.parametrize("parameter", ["idfa", "imei", "oaid", "oaid_md5", "mac", "androidid"])
def test_a_device_without_an_id_is_not_everybodys_device(collecting: Collecting, parameter: str, value: str) -> None:
    clicked(collecting, "ocean", clickid="c", **{parameter: value})

    assert named(collecting) == {("click_id", "ocean_engine", "c", "hint")}
    assert the_event(collecting)["dropped"][0]["reason"] in {Drop.HASHED, Drop.NULL_LIKE, Drop.ZEROS}


@pytest.mark.parametrize(
    ("account", "parameter", "written"),
    [("ocean", "oaid", "__OAID__"), ("baidu", "oaid", "{{OAID}}"), ("kuaishou", "oaid", "%OAID%"), ("ocean", "ip", "")],
)
def test_what_was_not_replaced_is_not_said(collecting: Collecting, account: str, parameter: str, written: str) -> None:
    clicked(collecting, account, **{parameter: written})

    event = the_event(collecting)
    assert (event["identifiers"], event["dropped"], event["context"]) == ([], [], {"verified": False})


@pytest.mark.parametrize(
    ("url", "is_kept"),
    [
        ("https://ocpc.baidu.com/ocpcapi/cb/actionCb?a_type={{ATYPE}}&sign={{SIGN}}", True),
        ("http://ocpc.baidu.com/x", True),
        ("https://ocpc.baidu.com.evil.example/", False),
        ("https://ocpc.baidu.com@evil.example/", False),
        ("https://evil.example/?ocpc.baidu.com", False),
        ("https://ocpc.baidu.com:22/", False),
        ("file://ocpc.baidu.com/x", False),
        ("https://[", False),
        ("http://169.254.169.254/", False),
    ],
)
def test_an_address_for_calling_back_is_kept_where_it_leads_to_the_platform(
    collecting: Collecting, url: str, is_kept: bool
) -> None:
    clicked(collecting, "baidu", callback_url=url)

    assert the_event(collecting)["properties"] == ({"callback": url} if is_kept else {})


def test_a_click_that_is_reported_again_has_the_same_id(collecting: Collecting) -> None:
    for _ in range(2):
        clicked(collecting, "tencent", click_id="c1", click_time=SECONDS)
        clicked(collecting, "kuaishou", ts=SECONDS, cid="7")

    ids = [event["id"] for event in collecting.events]
    assert len(ids) == 4
    assert len({*ids}) == 2


def test_clicks_link_nobody_whoever_passes_the_address_on(collecting: Collecting) -> None:
    """Two people with one click id, one address of the network and one browser stay two."""
    shared: dict[str, object] = {"click_id": "c1", "request_id": "r", "ip": "203.0.113.7", "user_agent": PHONE}
    clicked(collecting, "tencent", wechat_open_id="oOne", **shared)
    clicked(collecting, "second", wechat_open_id="oTwo", **shared)

    events = [decode(record.value) for record in collecting.log.records]
    _, evidence = graph.read({event.uid: event for event in events}, shipped(), INDEX)
    partition = resolve(evidence, shipped())

    assert {one.role for event in events for one in event.identifiers} == {Role.HINT, Role.SUBJECT}
    assert len(evidence.nodes) == 2
    assert evidence.links == {}
    assert len({*partition.person.values()}) == 2


@pytest.mark.parametrize("query", ["", "?key=", "?key=x", f"?key={KEY}x", f"?key={quote('é' * 16)}", f"?Key={KEY}"])
def test_who_has_not_the_key_reports_nothing(collecting: Collecting, query: str) -> None:
    answer = collecting.send("GET", f"/collect/ads/ocean{query}")

    assert answer.status_code == 403
    assert collecting.log.topics == {}


def test_an_unknown_account_is_none_and_nothing_is_posted(collecting: Collecting) -> None:
    assert clicked(collecting, "weibo").status_code == 404
    assert collecting.send("POST", f"/collect/ads/ocean?key={KEY}").status_code == 405


def test_too_many_parameters_are_no_click(collecting: Collecting) -> None:
    assert clicked(collecting, "ocean", **{f"p{number}": 1 for number in range(101)}).status_code == 400


@pytest.mark.parametrize("query", ["ip=%00", "project_id=" + "x" * 300, "ua=%FF%00"])
def test_what_no_event_could_hold_is_kept_without_the_key(collecting: Collecting, query: str) -> None:
    answer = collecting.send("GET", f"/collect/ads/ocean?key={KEY}&{query}")

    (kept,) = collecting.quarantined
    assert answer.status_code == 200
    assert KEY.encode() not in kept.value


def test_a_name_in_another_charset_costs_the_name_only(collecting: Collecting) -> None:
    collecting.send("GET", f"/collect/ads/ocean?key={KEY}&clickid=c&project_name={quote('春季'.encode('gbk'))}")

    assert named(collecting) == {("click_id", "ocean_engine", "c", "hint")}


@pytest.mark.parametrize(
    "account",
    [
        {"platform": "ocean_engine", "secret": "short"},
        {"platform": "ocean_engine", "secret": KEY, "app_id": "wx1"},
        {"platform": "radio", "secret": KEY},
    ],
)
def test_an_account_that_protects_nothing_is_refused(account: Mapping[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Channels.model_validate({"ads": {"main": account}})

    assert KEY not in str(refused.value)


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_table_names_what_an_event_has(name: str) -> None:
    targets = PLATFORMS[name].parameters.values()  # type: ignore[index] # each is one of them
    parts = {target.partition(".")[0].partition("@")[0] for target in targets}

    assert len({*targets}) == len(targets)
    assert parts <= {
        "campaign",
        "context",
        "properties",
        "device_id",
        "occurred_at",
        "click_id",
        "openid",
        "callback",
        "muid",
    }
