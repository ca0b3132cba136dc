"""Callbacks of official accounts and mini-programs, as the platform sends them."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from wechatpy.crypto import WeChatCrypto  # type: ignore[import-untyped]

from ingest.links.link import Signs
from ingest.wechat.crypto import signature
from tests.ingest.collecting import SIGNING_KEY, Collecting
from tests.ingest.wechat.test_crypto import APP_ID, SAFE, SAMPLE_KEY

TOKEN = "AAAAA"
AT = datetime(2026, 11, 3, 13, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))
OPENID = "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"
PLAIN = {"app_id": APP_ID, "token": TOKEN, "open_platform": "brand"}
SAFELY = PLAIN | {"encoding_aes_key": SAMPLE_KEY}


def collecting(account: dict[str, Any] = PLAIN, now: datetime = AT) -> Collecting:
    return Collecting({"wechat": {"main": account}}, now)


def xml(**fields: str) -> str:
    common = {"ToUserName": "gh_1", "FromUserName": OPENID, "CreateTime": STAMP, "MsgType": "event"}
    return "<xml>" + "".join(f"<{n}><![CDATA[{v}]]></{n}>" for n, v in (common | fields).items()) + "</xml>"


def query(**more: str) -> dict[str, str]:
    return {"timestamp": STAMP, "nonce": "486452656", "signature": signature(TOKEN, STAMP, "486452656"), **more}


def post(to: Collecting, content: str | bytes, **given: Any) -> httpx.Response:
    return to.send("POST", "/collect/wechat/main", **{"params": query(), "content": content, **given})


def told(**fields: str) -> list[dict[str, Any]]:
    """The events that come of one plain callback with *fields*."""
    to = collecting()
    answer = post(to, xml(**fields))
    assert (answer.status_code, answer.content) == (200, b"success")
    assert not to.quarantined
    return to.events


def test_the_address_is_checked_with_the_official_sample() -> None:
    to = collecting(now=datetime.fromtimestamp(1714036504, UTC))
    asked = {
        "signature": "f464b24fc39322e44b38aa78f5edd27bd1441696",
        "timestamp": "1714036504",
        "nonce": "1514711492",
        "echostr": "4375120948345356249",
    }

    answer = to.send("GET", "/collect/wechat/main", params=asked)

    assert (answer.status_code, answer.content) == (200, b"4375120948345356249")
    assert answer.headers["content-type"].startswith("text/plain")
    assert to.send("GET", "/collect/wechat/main", params=asked | {"nonce": "1"}).status_code == 403
    assert to.send("GET", "/collect/wechat/other", params=asked).status_code == 404


def test_the_official_sample_of_safe_mode_is_taken() -> None:
    to = collecting(SAFELY, datetime.fromtimestamp(1714112445, UTC))
    asked = {
        "timestamp": "1714112445",
        "nonce": "415670741",
        "signature": "6c5c811b55cc85e0e1b54100749188c20beb3f5d",
        "encrypt_type": "aes",
        "msg_signature": "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
    }

    answer = post(to, orjson.dumps({"ToUserName": "gh_97417a04a28d", "Encrypt": SAFE}), params=asked)

    assert answer.content == b"success"
    assert [event["type"] for event in to.events] == ["track"]
    assert to.events[0]["properties"] == {"event": "debug_demo", "debug_str": "hello world"}


def encrypted(content: str, nonce: str = "n1") -> tuple[str, dict[str, str]]:
    """What an independent encoder makes of *content*."""
    body = WeChatCrypto(TOKEN, SAMPLE_KEY, APP_ID).encrypt_message(content, nonce, STAMP)
    given = body.partition("<MsgSignature><![CDATA[")[2].partition("]")[0]
    return body, {"timestamp": STAMP, "nonce": nonce, "encrypt_type": "aes", "msg_signature": given}


def test_what_an_independent_encoder_encrypts_is_taken() -> None:
    to = collecting(SAFELY)
    body, asked = encrypted(xml(Event="subscribe"))

    assert post(to, body, params=asked).content == b"success"
    assert [event["type"] for event in to.events] == ["official_account.followed"]


def test_of_compatible_mode_only_what_is_encrypted_is_believed() -> None:
    to = collecting(SAFELY)
    body, asked = encrypted(xml(Event="subscribe"))
    compatible = xml(Event="unsubscribe", FromUserName="oVictim").replace("</xml>", body.removeprefix("<xml>"))

    assert post(to, compatible, params=asked).content == b"success"
    assert [event["type"] for event in to.events] == ["official_account.followed"]
    assert to.events[0]["identifiers"][0]["value"] == OPENID


def test_where_a_key_is_set_a_plain_callback_is_refused() -> None:
    to = collecting(SAFELY)

    assert post(to, xml(Event="subscribe")).status_code == 403
    assert not to.events


KINDS = {
    "subscribe": "official_account.followed",
    "SCAN": "official_account.scanned",
    "CLICK": "official_account.menu_clicked",
    "VIEW": "official_account.menu_clicked",
    "view_miniprogram": "official_account.menu_clicked",
    "LOCATION": "track",
    "nobody_knows": "track",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_each_event_has_its_type(name: str, kind: str) -> None:
    (event,) = told(Event=name, EventKey="k", Latitude="23.1", Longitude="113.3", Precision="10")

    assert event["type"] == kind
    assert event["channel"] == "official_account"
    assert event["identifiers"][0] == {
        "namespace": "wechat_openid",
        "scope": APP_ID,
        "value": OPENID,
        "role": "subject",
    }
    assert event["occurred_at"] == "2026-11-03T13:00:00Z"
    if name == "LOCATION":
        assert "23.1" not in str(event)


@pytest.mark.parametrize(("name", "prefix"), [("subscribe", "qrscene_"), ("SCAN", "")])
def test_who_comes_by_the_code_of_one_of_our_links_brings_its_token_along(name: str, prefix: str) -> None:
    token = Signs.of(SIGNING_KEY).follow.written(7)

    (event,) = told(Event=name, EventKey=prefix + token, Ticket="T")

    assert event["properties"] == {"scene": token}
    assert event["identifiers"][1] == {"namespace": "link_token", "scope": "", "value": token, "role": "hint"}


@pytest.mark.parametrize("scene", ["123123", "dAW78yeSNC", Signs.of(b"another key").follow.written(7)])
def test_another_scene_is_none_of_our_links(scene: str) -> None:
    (event,) = told(Event="subscribe", EventKey=f"qrscene_{scene}", Ticket="T")

    assert event["properties"] == {"scene": scene}
    assert [each["namespace"] for each in event["identifiers"]] == ["wechat_openid"]


@pytest.mark.parametrize(
    ("name", "key", "named"),
    [
        ("VIEW", "https://siyu.example/a?b=1", {"url": "https://siyu.example/a?b=1"}),
        ("CLICK", "V1001", {"key": "V1001"}),
        ("view_miniprogram", "pages/index", {"path": "pages/index"}),
        ("scancode_push", "scan1", {"key": "scan1"}),
        ("CLICK", "", {}),
    ],
)
def test_a_menu_tells_what_it_led_to(name: str, key: str, named: dict[str, str]) -> None:
    (event,) = told(Event=name, EventKey=key, MenuId="3")

    assert event["properties"] == {"MenuId": "3", **named}


@pytest.mark.parametrize(("original_id", "kinds"), [("gh_1", ["official_account.followed"]), ("gh_2", [])])
def test_what_is_addressed_to_another_account_is_kept_and_not_believed(original_id: str, kinds: list[str]) -> None:
    to = collecting(PLAIN | {"original_id": original_id})

    assert post(to, xml(Event="subscribe")).content == b"success"
    assert [event["type"] for event in to.events] == kinds
    assert [kept.headers["ce_code"] for kept in to.quarantined] == ([] if kinds else ["another_account"])


def test_who_leaves_is_to_be_forgotten() -> None:
    left, withdrawn = told(Event="unsubscribe")

    assert (left["type"], withdrawn["type"]) == ("official_account.unfollowed", "consent.withdrawn")
    assert withdrawn["properties"]["erase"] is True
    assert left["id"] != withdrawn["id"]


@pytest.mark.parametrize("name", ["user_authorization_revoke", "user_authorization_cancellation"])
def test_who_takes_an_authorisation_back_is_named_in_the_body(name: str) -> None:
    to = collecting()
    body = orjson.dumps(
        {
            "ToUserName": "gh_1",
            "FromUserName": "platform",
            "CreateTime": int(STAMP),
            "MsgType": "event",
            "Event": name,
            " OpenID": OPENID,
            " UnionID": "u1",
            "RevokeInfo": "201",
        }
    )

    assert post(to, body).content == b"success"
    (event,) = to.events
    assert event["type"] == "consent.withdrawn"
    assert [each["value"] for each in event["identifiers"]] == [OPENID, "u1"]
    assert event["properties"]["erase"] is True


@pytest.mark.parametrize("name", ["MASSSENDJOBFINISH", "PUBLISHJOBFINISH"])
def test_a_job_that_is_done_makes_nobody(name: str) -> None:
    (event,) = told(Event=name, MsgID="1", Status="send success", SentCount="7")

    assert "identifiers" not in event or event["identifiers"] == []
    assert event["properties"]["event"] == name


def test_what_became_of_a_message_happened_to_its_addressee() -> None:
    (event,) = told(Event="TEMPLATESENDJOBFINISH", MsgID="1", Status="failed:user block")

    assert [each["role"] for each in event["identifiers"]] == ["recipient"]


@pytest.mark.parametrize("answers", [1, 3])
def test_each_answer_about_a_template_is_a_consent_of_its_own(answers: int) -> None:
    entries = "".join(
        f"<List><TemplateId>t{n}</TemplateId><SubscribeStatusString>{'accept' if n else 'reject'}</SubscribeStatusString></List>"
        for n in range(answers)
    )
    body = xml(Event="subscribe_msg_popup_event").replace(
        "</xml>", f"<SubscribeMsgPopupEvent>{entries}</SubscribeMsgPopupEvent></xml>"
    )
    to = collecting()

    assert post(to, body).content == b"success"
    assert [event["type"] for event in to.events] == ["consent.withdrawn", *["consent.given"] * (answers - 1)]
    assert len({event["id"] for event in to.events}) == answers


def test_the_number_of_an_order_stays_exact() -> None:
    to = collecting()
    body = (
        '{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":1793710800,"MsgType":"event","Event":"channels_ec_order_pay",'
        '"order_info":{"order_id":3705115058471208928,"pay_time":1658505321}}'
    )

    assert post(to, body).content == b"success"
    assert to.events[0]["type"] == "order.paid"
    assert to.events[0]["order"]["id"] == "3705115058471208928"


def test_a_message_is_an_event_without_its_text() -> None:
    (event,) = told(MsgType="text", MsgId="23456789012345678", Content="my number is 13912345678")

    assert event["type"] == "official_account.messaged"
    assert "13912345678" not in str(event)


# What must not happen


def test_what_is_sent_again_has_the_id_of_before() -> None:
    to = collecting()
    for _ in range(3):
        assert post(to, xml(Event="subscribe")).content == b"success"

    assert len({event["id"] for event in to.events}) == 1


def test_two_in_one_second_are_two() -> None:
    assert told(Event="CLICK", EventKey="a")[0]["id"] != told(Event="CLICK", EventKey="b")[0]["id"]


FORGED = {
    "without a signature": {"timestamp": STAMP, "nonce": "1"},
    "of another token": {"timestamp": STAMP, "nonce": "1", "signature": signature("BBBBB", STAMP, "1")},
    "of another time": query(timestamp=str(int(STAMP) + 1)),
    "too old": {"timestamp": "1700000000", "nonce": "1", "signature": signature(TOKEN, "1700000000", "1")},
    "no time": {"timestamp": "now", "nonce": "1", "signature": signature(TOKEN, "now", "1")},
    "not ASCII": query(signature="é" * 40),
}


@pytest.mark.parametrize("given", FORGED.values(), ids=FORGED.keys())
def test_what_is_forged_leaves_no_trace(given: dict[str, str]) -> None:
    to = collecting()

    assert post(to, xml(Event="subscribe"), params=given).status_code == 403
    assert not to.log.records


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><xml><A>&b;</A></xml>'
UNREADABLE = {
    "XML bomb": BOMB.encode(),
    "nested": b"<xml>" + b"<a>" * 30_000 + b"</a>" * 30_000 + b"</xml>",
    "another charset": xml(Event="subscribe", EventKey="中").encode("gb18030"),
    "no XML": b"hello",
    "no JSON": b"{",
    "another root": b"<html></html>",
    "without a time": xml(Event="subscribe", CreateTime="").encode(),
    "without a name": xml().encode(),
    "empty": b"",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_proven_and_cannot_be_read_is_kept_whole(content: bytes) -> None:
    to = collecting()

    assert post(to, content).content == b"success"
    assert not to.events
    (kept,) = to.quarantined
    assert kept.value == content
    assert kept.headers["ce_code"]
    assert kept.headers["ce_subject"] == "wechat:main"


def test_an_id_names_nobody() -> None:
    (event,) = told(Event="CLICK", EventKey="a")

    assert OPENID not in event["id"]
    assert len(event["id"]) == len(hashlib.sha256().hexdigest()[:32])
