"""Callbacks of WeCom, as the platform sends them."""

import gzip
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from ingest.channels import Channels
from ingest.links.link import Signs
from ingest.wechat.crypto import Secretbox, signature
from tests.ingest.collecting import SIGNING_KEY, Collecting
from tests.ingest.wechat.test_crypto import WECOM, WECOM_KEY

CORP = "ww6a112864f8022910"
TOKEN = "kz7Yx62CH8SaLN"
AT = datetime(2026, 11, 3, 13, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))
CUSTOMER = "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"
BOX = Secretbox.of(WECOM_KEY)


ACCOUNT = {"corp_id": CORP, "token": TOKEN, "encoding_aes_key": WECOM_KEY}


def collecting(now: datetime = AT, **more: str) -> Collecting:
    return Collecting({"wecom": {"hq": {**ACCOUNT, **more}}}, now)


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
    assert [kept.headers["ce_code"] for kept in to.quarantined] == ["missing"]
    assert b"x123" in to.quarantined[0].value


def test_who_is_added_brings_the_state_of_the_code_along() -> None:
    token = Signs.of(SIGNING_KEY).follow.written(7)

    (event,) = told("add_external_contact", State=token, WelcomeCode="SECRET")

    assert event["type"] == "wecom.contact_added"
    assert event["identifiers"] == [
        {"namespace": "wecom_external_userid", "scope": CORP, "value": CUSTOMER, "role": "subject"},
        {"namespace": "link_token", "scope": "", "value": token, "role": "hint"},
    ]
    assert event["properties"] == {"employee": "zhangsan", "state": token}


def test_a_state_of_another_is_none_of_our_links() -> None:
    (event,) = told("add_external_contact", State="dAW78yeSNC")

    assert event["properties"]["state"] == "dAW78yeSNC"
    assert [each["namespace"] for each in event["identifiers"]] == ["wecom_external_userid"]


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


# Service providers

SUITE = "ww4asffe99e54c0f4c"


def of_suite(corp: str, info: str = "change_external_contact", **fields: str) -> str:
    head = {"SuiteId": SUITE, "AuthCorpId": corp, "InfoType": info, "TimeStamp": STAMP}
    return "<xml>" + "".join(f"<{name}>{value}</{name}>" for name, value in (head | fields).items() if value) + "</xml>"


def test_a_suite_tells_the_customers_of_several_corps_apart() -> None:
    to = collecting(suite_id=SUITE)
    contact = {"ChangeType": "add_external_contact", "UserID": "zhangsan", "ExternalUserID": CUSTOMER}

    for corp in ("ww1", "ww2"):
        assert post(to, of_suite(corp, **contact), SUITE).status_code == 200

    assert [event["identifiers"][0]["scope"] for event in to.events] == [f"ww1.{SUITE}", f"ww2.{SUITE}"]
    assert len({event["id"] for event in to.events}) == 2


def test_a_customer_of_no_corp_is_kept_and_linked_to_nobody() -> None:
    to = collecting(suite_id=SUITE)

    assert post(to, of_suite("", ChangeType="del_follow_user", ExternalUserID=CUSTOMER), SUITE).status_code == 200
    assert not to.events
    assert [kept.headers["ce_code"] for kept in to.quarantined] == ["missing"]


def test_the_ticket_of_a_suite_is_nobodys_to_read() -> None:
    to = collecting(suite_id=SUITE)

    assert post(to, of_suite("", "suite_ticket", SuiteTicket="SECRET"), SUITE).status_code == 200
    assert [event["properties"]["event"] for event in to.events] == ["suite_ticket"]
    assert "SECRET" not in str(to.events)


@pytest.mark.parametrize(("receive_id", "receiver", "status"), [("", "", 200), ("", SUITE, 403), ("wx9", "wx9", 200)])
def test_for_whom_it_is_sealed_can_be_said(receive_id: str, receiver: str, status: int) -> None:
    to = collecting(suite_id=SUITE, receive_id=receive_id)
    contact = {"ChangeType": "add_external_contact", "ExternalUserID": CUSTOMER}

    assert post(to, of_suite("ww1", **contact), receiver).status_code == status


@pytest.mark.parametrize("key", ["A" * 42, "A" * 44, "-" * 43, "A" * 42 + "\n", "A" * 42 + "é"])
@pytest.mark.parametrize("family", ["wecom", "wechat"])
def test_a_key_of_another_form_is_no_account(family: str, key: str) -> None:
    account = ACCOUNT if family == "wecom" else {"app_id": "wx1", "token": TOKEN}

    with pytest.raises(ValueError, match="encoding_aes_key"):
        Channels.model_validate({family: {"main": account | {"encoding_aes_key": key}}})
