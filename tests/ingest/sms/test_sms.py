"""Texts: what three providers tell becomes events, an opt-out first of all, and nobody else is believed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from pydantic import ValidationError
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped] # it comes without types

from ingest.channels import Channels
from ingest.sms.twilio import signed
from tests.ingest.collecting import PUBLIC_URL, Collecting

SECRETS = {name: name[0] * 32 for name in ("aliyun", "tencent", "twilio")}
TOKEN = "0123456789abcdef"
CHANNELS = {
    "sms": {
        "ali": {"provider": "aliyun", "secret": SECRETS["aliyun"]},
        "qq": {"provider": "tencent", "secret": SECRETS["tencent"] + "q"},
        "us": {"provider": "twilio", "secret": SECRETS["twilio"], "auth_token": TOKEN},
    }
}
PATHS = {
    "aliyun": f"/collect/sms/aliyun/{SECRETS['aliyun']}",
    "tencent": f"/collect/sms/tencent/{SECRETS['tencent']}q",
    "twilio": f"/collect/sms/twilio/{SECRETS['twilio']}",
}
ANSWERS = {
    "aliyun": '{"code":0,"msg":"接收成功"}',
    "tencent": '{"result":0,"errmsg":"OK"}',
    "twilio": "<Response/>",
}
PHONE = "+8613912345678"
REPORT = {
    "phone_number": "13912345678",
    "send_time": "2026-11-03 20:40:00",
    "report_time": "2026-11-03 20:41:07",
    "success": True,
    "err_code": "DELIVERED",
    "err_msg": "用户接收成功",
    "sms_size": "1",
    "biz_id": "12345^0",
    "out_id": "67890",
}
UP = {
    "phone_number": "13912345678",
    "send_time": "2026-11-03 20:50:00",
    "content": "R",
    "sign_name": "签名",
    "dest_code": "1234",
    "sequence_id": 1234567890,
}
STATUS = {
    "user_receive_time": "2026-11-03 20:41:07",
    "nationcode": "86",
    "mobile": "13912345678",
    "report_status": "SUCCESS",
    "errmsg": "DELIVRD",
    "description": "用户短信送达成功",
    "sid": "2033:1",
    "ext": "67890",
}
REPLY = {"extend": "", "mobile": "13912345678", "nationcode": "86", "sign": "签名", "text": "好的", "time": 1793710867}
FORM = {"MessageSid": "SM1", "AccountSid": "AC1", "ApiVersion": "2010-04-01"}
INBOUND = {**FORM, "SmsStatus": "received", "From": PHONE, "To": "+14155550100", "Body": "hi"}


@pytest.fixture
def collecting() -> Collecting:
    return Collecting(CHANNELS)


def told(collecting: Collecting, provider: str, said: Any) -> httpx.Response:
    """Send what a provider of China says."""
    return collecting.send("POST", PATHS[provider], content=orjson.dumps(said))


def by_twilio(collecting: Collecting, form: Mapping[str, str], path: str = PATHS["twilio"]) -> httpx.Response:
    """Send *form* signed by Twilio's own library."""
    signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC_URL}{path}", form)
    return collecting.send("POST", path, data=form, headers={"X-Twilio-Signature": signature})


def kinds(collecting: Collecting) -> list[str]:
    return [event["type"] for event in collecting.events]


def named(event: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["namespace"], one["value"], one["role"]) for one in event["identifiers"]]


@pytest.mark.parametrize(
    ("provider", "said"), [("aliyun", [REPORT]), ("tencent", [STATUS]), ("tencent", REPLY), ("aliyun", [UP])]
)
def test_each_provider_hears_what_it_wants(collecting: Collecting, provider: str, said: Any) -> None:
    answer = told(collecting, provider, said)

    assert (answer.status_code, answer.text) == (200, ANSWERS[provider])
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("provider", "said"), [("aliyun", REPORT), ("tencent", STATUS)])
def test_a_report_befalls_its_recipient_at_the_time_of_china(
    collecting: Collecting, provider: str, said: dict[str, Any]
) -> None:
    told(collecting, provider, [said])

    (event,) = collecting.events
    assert event["type"] == "sms.delivered"
    assert event["occurred_at"] == "2026-11-03T12:41:07Z"
    assert named(event) == [("phone", PHONE, "recipient")]
    assert event["properties"]["out_id"] == "67890"
    assert event["context"] == {"verified": False}
    assert "13912345678" not in event["id"] + str(event["properties"])


@pytest.mark.parametrize(
    ("provider", "said", "code"),
    [
        ("aliyun", {**REPORT, "success": False, "err_code": "MOBILE_NOT_ON_SERVICE"}, "MOBILE_NOT_ON_SERVICE"),
        ("tencent", {**STATUS, "report_status": "FAIL", "errmsg": "UNDELIV"}, "UNDELIV"),
    ],
)
def test_a_text_that_did_not_arrive_says_why(collecting: Collecting, provider: str, said: Any, code: str) -> None:
    told(collecting, provider, [said])

    assert kinds(collecting) == ["sms.failed"]
    assert collecting.events[0]["properties"]["err_code"] == code


def test_a_report_from_abroad_has_its_own_fields_and_zone(collecting: Collecting) -> None:
    abroad = {
        "To": "85251234567",
        "Status": "1",
        "MessageId": "7",
        "ErrorCode": "success",
        "ReceiveDate": "Tue, 03 Nov 2026 20:27:33 +0800",
    }

    told(collecting, "aliyun", [abroad, {**abroad, "Status": "6", "MessageId": "8"}])

    assert kinds(collecting) == ["sms.delivered", "sms.failed"]
    assert named(collecting.events[0]) == [("phone", "+85251234567", "recipient")]
    assert collecting.events[0]["occurred_at"] == "2026-11-03T12:27:33Z"


def test_a_masked_number_is_dropped_and_the_report_is_kept(collecting: Collecting) -> None:
    told(collecting, "aliyun", [{**REPORT, "phone_number": "1381111****"}])

    (event,) = collecting.events
    assert event["identifiers"] == []
    assert event["dropped"] == [{"namespace": "phone", "reason": "invalid"}]


@pytest.mark.parametrize(
    ("provider", "said"),
    [("aliyun", [UP]), ("tencent", {**REPLY, "text": " ｔｄ。"}), ("tencent", {**REPLY, "text": "拒收"})],
)
def test_an_opt_out_is_that_and_nothing_else(collecting: Collecting, provider: str, said: Any) -> None:
    told(collecting, provider, said)

    assert kinds(collecting) == ["sms.opted_out", "consent.withdrawn"]
    assert [named(event) for event in collecting.events] == [[("phone", PHONE, "subject")]] * 2
    stated = collecting.events[1]["properties"]
    assert (stated["purpose"], stated["channel"], stated["reason"]) == ("marketing", "sms", "replied")


def test_opt_outs_come_before_whatever_else_a_request_tells(collecting: Collecting) -> None:
    told(collecting, "aliyun", [{**UP, "content": "好的", "sequence_id": 1}, UP])

    assert kinds(collecting) == ["sms.opted_out", "consent.withdrawn", "sms.replied"]


def test_a_text_that_may_be_an_opt_out_is_for_somebody_to_look_at(collecting: Collecting) -> None:
    told(collecting, "aliyun", [{**UP, "content": "麻烦退订一下"}])

    (event,) = collecting.events
    assert event["type"] == "sms.replied"
    assert event["properties"]["needs_review"] is True


def test_who_is_not_proven_cannot_make_us_write_to_anybody_again(collecting: Collecting) -> None:
    told(collecting, "tencent", {**REPLY, "text": "START"})

    assert kinds(collecting) == ["sms.replied"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("sent", "sms.sent"),
        ("delivered", "sms.delivered"),
        ("undelivered", "sms.failed"),
        ("failed", "sms.failed"),
        ("queued", "track"),
        ("sending", "track"),
        ("read", "track"),
    ],
)
def test_each_status_of_twilio_is_an_event_of_its_own(collecting: Collecting, status: str, kind: str) -> None:
    form = {**FORM, "MessageStatus": status, "To": PHONE, "From": "+14155550100", "ErrorCode": "30003", "New": "field"}

    answer = by_twilio(collecting, form)

    (event,) = collecting.events
    assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert (event["type"], event["id"]) == (kind, f"SM1/{status}")
    assert event["properties"].get("event") == (status if kind == "track" else None)
    assert event["context"] == {"verified": True}
    assert named(event) == [("phone", PHONE, "recipient")]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"Body": "hi"}, ["sms.replied"]),
        ({"Body": "Stop"}, ["sms.opted_out", "consent.withdrawn"]),
        ({"Body": "BASTA", "OptOutType": "STOP"}, ["sms.opted_out", "consent.withdrawn"]),
        ({"Body": "START"}, ["sms.replied", "consent.given"]),
        ({"Body": "JA", "OptOutType": "START"}, ["sms.replied", "consent.given"]),
        ({"Body": "help", "OptOutType": "HELP"}, ["sms.replied"]),
        ({"Body": ""}, ["sms.replied"]),
    ],
)
def test_what_comes_in_by_twilio_is_a_reply_or_a_wish(
    collecting: Collecting, said: dict[str, str], expected: list[str]
) -> None:
    by_twilio(collecting, {**INBOUND, **said})

    assert kinds(collecting) == expected
    assert {*named(collecting.events[0])} == {("phone", PHONE, "subject")}


def test_the_signature_of_twilio_is_as_the_public_vector_has_it() -> None:
    fields = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "From": "+14158675309", "To": "+18005551212"}
    form = [*fields.items(), ("Caller", "+14158675309")]

    assert signed("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize("url", [PUBLIC_URL, f"{PUBLIC_URL}:443"])
@pytest.mark.parametrize("ours", [PUBLIC_URL, f"{PUBLIC_URL}:443"])
def test_twilio_may_sign_with_or_without_the_port(url: str, ours: str) -> None:
    collecting = Collecting(CHANNELS, public_url=ours)
    signature = RequestValidator(TOKEN).compute_signature(f"{url}{PATHS['twilio']}", INBOUND)

    answer = collecting.send("POST", PATHS["twilio"], data=INBOUND, headers={"X-Twilio-Signature": signature})

    assert answer.status_code == 200


def test_a_shared_key_signs_by_sha_256(collecting: Collecting) -> None:
    signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC_URL}{PATHS['twilio']}", INBOUND, "HMAC_SHA256")
    headers = {
        "X-Twilio-Signature": signature,
        "X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256",
    }

    answer = collecting.send("POST", PATHS["twilio"], data=INBOUND, headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize(("sent", "status"), [(b'[{"type":"com.twilio.x","id":"E1"}]', 200), (b'[{"type":"y"}]', 403)])
def test_a_json_body_is_signed_by_its_hash(collecting: Collecting, sent: bytes, status: int) -> None:
    validator = RequestValidator(TOKEN)
    body = '[{"type":"com.twilio.x","id":"E1"}]'
    path = f"{PATHS['twilio']}?bodySHA256={validator.compute_hash(body)}"
    signature = validator.compute_signature(f"{PUBLIC_URL}{path}", {})

    answer = collecting.send("POST", path, content=sent, headers={"X-Twilio-Signature": signature})

    assert answer.status_code == status
    assert [event["properties"]["event"] for event in collecting.events] == ["com.twilio.x"] * (status == 200)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
        {"X-Twilio-Signature": "é".encode()},
        {"X-Twilio-Signature": "x", "X-Twilio-Webhooks-Signature-Settings": "algorithm=MD5"},
    ],
)
def test_who_is_not_twilio_is_refused(collecting: Collecting, headers: Mapping[str, Any]) -> None:
    answer = collecting.send("POST", PATHS["twilio"], data=INBOUND, headers=headers)

    assert answer.status_code == 403
    assert collecting.log.topics == {}


def test_a_field_that_was_added_or_altered_is_not_twilios(collecting: Collecting) -> None:
    signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC_URL}{PATHS['twilio']}", INBOUND)
    headers = {"X-Twilio-Signature": signature}

    answers = [
        collecting.send("POST", PATHS["twilio"], data={**INBOUND, **other}, headers=headers).status_code
        for other in ({"Body": "ho"}, {"New": "x"})
    ]

    assert answers == [403, 403]


@pytest.mark.parametrize(
    "path",
    [
        f"/collect/sms/aliyun/{'x' * 32}",
        f"/collect/sms/aliyun/{SECRETS['tencent']}q",
        f"/collect/sms/huawei/{SECRETS['aliyun']}",
        "/collect/sms/aliyun/%C3%A9",
    ],
)
def test_another_address_is_none(collecting: Collecting, path: str) -> None:
    answer = collecting.send("POST", path, content=b"[]")

    assert answer.status_code == 404
    assert path.rpartition("/")[2] not in answer.text
    assert collecting.log.topics == {}


@pytest.mark.parametrize(
    ("provider", "said"), [("aliyun", [REPORT, UP]), ("tencent", [STATUS]), ("tencent", REPLY), ("tencent", {"a": 1})]
)
def test_what_is_sent_again_has_the_same_ids(collecting: Collecting, provider: str, said: Any) -> None:
    told(collecting, provider, said)
    collecting.now += timedelta(minutes=10)
    told(collecting, provider, said)

    ids = [event["id"] for event in collecting.events]
    assert ids[: len(ids) // 2] == ids[len(ids) // 2 :]
    assert len({*ids}) == len(ids) // 2


@pytest.mark.parametrize("provider", ["aliyun", "tencent"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"7", "[{'text':'退订'}]".encode("gbk"), orjson.dumps([{}] * 501), b"[" * 5000, b'{"a":"\xff"}'],
    ids=["empty", "cut", "number", "gbk", "too many", "deep", "no utf-8"],
)
def test_what_cannot_be_read_is_kept_and_answered_like_the_rest(
    collecting: Collecting, provider: str, content: bytes
) -> None:
    answer = collecting.send("POST", PATHS[provider], content=content)

    assert (answer.status_code, answer.text) == (200, ANSWERS[provider])
    assert [record.value for record in collecting.quarantined] == [content]


@pytest.mark.parametrize("provider", ["aliyun", "tencent"])
def test_one_bad_report_costs_no_other(collecting: Collecting, provider: str) -> None:
    good = REPORT if provider == "aliyun" else STATUS

    told(collecting, provider, [7, good, {"sign": "new"}, "x"])

    assert kinds(collecting) == ["sms.delivered", "track"]
    assert [record.value for record in collecting.quarantined] == [b"7", b'"x"']


@pytest.mark.parametrize("provider", ["aliyun", "tencent"])
@pytest.mark.parametrize("value", [None, [], {}, "", True, 10**18, "2026-13-45 99:00:00", "昨天", "x" * 300])
def test_no_field_is_too_strange(collecting: Collecting, provider: str, value: Any) -> None:
    strange = [dict.fromkeys(one, value) for one in ((REPORT, UP) if provider == "aliyun" else (STATUS, REPLY))]

    answer = told(collecting, provider, strange)

    assert answer.status_code == 200
    assert len(collecting.events) == len(strange)
    assert {event["occurred_at"] for event in collecting.events} <= {"2026-11-03T13:00:00Z", "2026-11-03T13:10:00Z"}


@pytest.mark.parametrize("content", [b"&".join([b"a=1"] * 1001), b"\xff=\xfe"])
def test_a_form_that_cannot_be_one_is_refused(collecting: Collecting, content: bytes) -> None:
    answer = collecting.send("POST", PATHS["twilio"], content=content, headers={"X-Twilio-Signature": "x"})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "account",
    [
        {"provider": "aliyun", "secret": "short"},
        {"provider": "aliyun", "secret": "s" * 32, "auth_token": "x"},
        {"provider": "twilio", "secret": "s" * 32},
        {"provider": "pigeon", "secret": "s" * 32},
    ],
)
def test_an_account_that_protects_nothing_is_refused(account: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Channels.model_validate({"sms": {"main": account}})

    assert "s" * 32 not in str(refused.value)


def test_an_account_shows_no_secret() -> None:
    shown = repr(Channels.model_validate(CHANNELS))

    assert TOKEN not in shown
    assert not any(secret in shown for secret in SECRETS.values())
