"""Callbacks of WeCom, as the platform sends them."""

import gzip
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from core.errors import Unavailable
from ingest.wechat.crypto import Secretbox, signature
from tests.ingest.collecting import Collecting
from tests.ingest.wechat.test_crypto import WECOM, WECOM_KEY

CORP = "ww6a112864f8022910"
TOKEN = "kz7Yx62CH8SaLN"
AT = datetime(2026, 11, 3, 13, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))
CUSTOMER = "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"
BOX = Secretbox.of(WECOM_KEY)


def collecting(now: datetime = AT) -> Collecting:
    return Collecting({"wecom": {"hq": {"corp_id": CORP, "token": TOKEN, "encoding_aes_key": WECOM_KEY}}}, now)


def query(encrypted: str, stamp: str = STAMP) -> dict[str, str]:
    return {"timestamp": stamp, "nonce": "1", "msg_signature": signature(TOKEN, stamp, "1", encrypted)}


def sealed(content: str | bytes, receiver: str = CORP) -> tuple[str, dict[str, str]]:
    message = content if isinstance(content, bytes) else content.encode()
    encrypted = BOX.closed(message, receiver, b"r" * 16)
    return f"<xml><ToUserName>{CORP}</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>", query(encrypted)


def post(to: Collecting, content: str | bytes, receiver: str = CORP) -> httpx.Response:
    body, asked = sealed(content, receiver)
    return to.send("POST", "/collect/wecom/hq", params=asked, content=body)


def xml(change: str, event: str = "change_external_contact", **fields: str) -> str:
    common = {"ToUserName": CORP, "FromUserName": "sys", "CreateTime": STAMP, "MsgType": "event", "Event": event}
    named = common | {"ChangeType": change, "UserID": "zhangsan", "ExternalUserID": CUSTOMER} | fields
    return "<xml>" + "".join(f"<{n}><![CDATA[{v}]]></{n}>" for n, v in named.items()) + "</xml>"


def told(change: str, **fields: str) -> list[dict[str, Any]]:
    to = collecting()
    answer = post(to, xml(change, **fields))
    assert (answer.status_code, answer.content) == (200, b"")
    assert not to.quarantined
    return to.events


def test_the_address_is_checked_with_what_was_encrypted() -> None:
    encrypted = BOX.closed(b"5927782489442352469", CORP, b"r" * 16)
    to = collecting()

    answer = to.send("GET", "/collect/wecom/hq", params=query(encrypted) | {"echostr": encrypted})

    assert (answer.status_code, answer.content) == (200, b"5927782489442352469")
    forged = query(encrypted) | {"echostr": encrypted[:-4] + "AAAA"}
    assert to.send("GET", "/collect/wecom/hq", params=forged).status_code == 403
    assert to.send("GET", "/collect/wecom/other", params=query(encrypted)).status_code == 404


def test_the_public_sample_is_opened_and_kept() -> None:
    """It is a message to an app and no event: proven, of no use to us, and not lost."""
    to = collecting(datetime.fromtimestamp(1583995625, UTC))
    asked = {
        "timestamp": "1583995625",
        "nonce": "1584392382",
        "msg_signature": "f265ae551b1932727204c3d707628d01376a6940",
    }

    answer = to.send("POST", "/collect/wecom/hq", params=asked, content=f"<xml><Encrypt>{WECOM}</Encrypt></xml>")

    assert answer.status_code == 200
    assert [kept.headers["code"] for kept in to.quarantined] == ["missing"]
    assert b"x123" in to.quarantined[0].value


def test_who_is_added_brings_the_state_of_the_code_along() -> None:
    (event,) = told("add_external_contact", State="dAW78yeSNC", WelcomeCode="SECRET")

    assert event["type"] == "wecom.contact_added"
    assert event["identifiers"] == [
        {"namespace": "wecom_external_userid", "scope": CORP, "value": CUSTOMER, "role": "subject"},
        {"namespace": "link_token", "scope": "", "value": "dAW78yeSNC", "role": "hint"},
    ]
    assert event["properties"] == {"employee": "zhangsan", "state": "dAW78yeSNC"}


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ("edit_external_contact", ["wecom.contact_edited"]),
        ("add_half_external_contact", ["wecom.contact_added"]),
        ("del_external_contact", ["wecom.contact_removed"]),
        ("del_follow_user", ["wecom.contact_removed", "consent.withdrawn"]),
        ("transfer_fail", ["track"]),
        ("invented_tomorrow", ["track"]),
    ],
)
def test_each_change_has_its_events(change: str, kinds: list[str]) -> None:
    events = told(change)

    assert [event["type"] for event in events] == kinds
    assert len({event["id"] for event in events}) == len(kinds)
    assert {event["identifiers"][0]["value"] for event in events} == {CUSTOMER}


def test_a_group_names_nobody() -> None:
    (event,) = told("update", event="change_external_chat", ChatId="c1", ExternalUserID="", UpdateDetail="add_member")

    assert event.get("identifiers", []) == []
    assert event["properties"]["event"] == "change_external_chat.update"


def test_what_is_sent_again_is_the_same_event() -> None:
    to = collecting()
    for code in ("first", "second"):
        post(to, xml("add_external_contact", WelcomeCode=code))

    assert len({event["id"] for event in to.events}) == 1


def test_what_is_meant_for_another_corp_is_refused() -> None:
    to = collecting()

    assert post(to, xml("add_external_contact"), receiver="ww0").status_code == 403
    assert not to.log.records


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\xff\xfe", b'<!DOCTYPE x [<!ENTITY a "b">]><xml><Event>&a;</Event></xml>', b"<xml></xml>"],
    ids=["empty", "no XML", "another charset", "XML bomb", "nothing in it"],
)
def test_what_is_proven_and_cannot_be_read_is_kept(content: bytes) -> None:
    to = collecting()

    assert post(to, content).status_code == 200
    assert [kept.value for kept in to.quarantined] == [content]


def test_what_is_forged_stale_or_too_large_leaves_no_trace() -> None:
    to = collecting()
    body, asked = sealed(xml("add_external_contact"))
    stale = query(body.partition("CDATA[")[2].partition("]")[0], "1700000000")

    def status(**given: Any) -> int:
        return to.send("POST", "/collect/wecom/hq", **{"params": asked, "content": body, **given}).status_code

    assert status(params=asked | {"msg_signature": "0" * 40}) == 403
    assert status(params={}) == 403
    assert status(params=stale) == 403
    assert status(content=b"<xml><Event>add</Event></xml>") == 403
    assert status(content=b'<!DOCTYPE x [<!ENTITY a "b">]><xml><Encrypt>&a;</Encrypt></xml>') == 403
    assert status(content=b"x" * (2 << 20)) == 413
    assert status(content=gzip.compress(b"x" * (64 << 20)), headers={"content-encoding": "gzip"}) == 413
    assert not to.log.records


def test_while_the_log_is_down_the_platform_is_told_to_come_again() -> None:
    to = collecting()
    to.log.failures.append(Unavailable("down"))

    assert post(to, xml("add_external_contact")).status_code == 503
    assert post(to, xml("add_external_contact")).status_code == 200
    assert len(to.events) == 1
