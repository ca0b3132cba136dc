"""SendGrid's events, its public vector, and its own verifier as the judge of how we sign."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sendgrid.helpers.eventwebhook import EventWebhook  # type: ignore[import-untyped]

from ingest.mail.sendgrid import SIGNATURE, TIMESTAMP
from tests.ingest.given import NOW
from tests.ingest.signed import collecting, elliptic_key, post, public_base64, sendgrid

PATH = "/collect/mail/sendgrid"

# Published by SendGrid.
KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eN"
    "Ec6wEA3F+g=="
)
SIGNED = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
STAMP = "1600112502"
MESSAGE = "LRzXl_NHStOGhQ4kofSm_A"
BODY = (
    orjson.dumps(
        [
            {
                "email": "hello@world.com",
                "event": "dropped",
                "reason": "Bounced Address",
                "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
                "sg_message_id": f"{MESSAGE}.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
                "smtp-id": f"<{MESSAGE}@ismtpd0039p1iad1.sendgrid.net>",
                "timestamp": 1600112492,
            }
        ],
        option=orjson.OPT_SORT_KEYS,
    )
    + b"\r\n"
)


def told(name: str, **more: Any) -> list[dict[str, Any]]:
    """The events that come of one entry called *name*."""
    entry = {"event": name, "sg_event_id": "e1", "email": "Reader@B.example", "timestamp": int(NOW.timestamp()), **more}
    to = collecting()
    assert post(to, PATH, sendgrid([entry])).status_code == 200
    assert not to.quarantined
    return to.events


def test_the_public_vector_is_taken_with_its_last_line_end_and_not_without() -> None:
    account = {"mail": {"sendgrid": {"provider": "sendgrid", "public_key": KEY}}}
    to = collecting(datetime.fromtimestamp(int(STAMP), UTC), **account)
    headers = {SIGNATURE: SIGNED, TIMESTAMP: STAMP}

    assert post(to, PATH, (BODY, headers)).status_code == 200
    assert post(to, PATH, (BODY.rstrip(), headers)).status_code == 403
    assert [event["properties"]["event"] for event in to.events] == ["dropped"]


def test_its_own_verifier_accepts_how_we_sign_and_refuses_what_we_refuse() -> None:
    verifier = EventWebhook(public_base64(elliptic_key()))
    body, headers = sendgrid([{"event": "open"}])

    assert verifier.verify_signature(body.decode(), headers[SIGNATURE], headers[TIMESTAMP])
    assert not verifier.verify_signature(body.decode() + " ", headers[SIGNATURE], headers[TIMESTAMP])


@pytest.mark.parametrize("age", [timedelta(hours=26), timedelta(hours=-26)])
def test_what_is_older_than_it_tries_again_is_a_replay(age: timedelta) -> None:
    assert post(collecting(), PATH, sendgrid([], NOW - age)).status_code == 403


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("processed", "mail.sent"),
        ("delivered", "mail.delivered"),
        ("open", "mail.opened"),
        ("click", "mail.clicked"),
        ("bounce", "mail.bounced"),
        ("deferred", "track"),
        ("dropped", "track"),
    ],
)
def test_what_happens_to_a_mail_is_its_addressees_and_proves_nobody(name: str, kind: str) -> None:
    (event,) = told(name)

    assert event["type"] == kind
    assert [(one["value"], one["role"]) for one in event["identifiers"]] == [("reader@b.example", "recipient")]


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("spamreport", "mail.complained", "complained"),
        ("unsubscribe", "mail.unsubscribed", "unsubscribed"),
        ("group_unsubscribe", "mail.unsubscribed", "unsubscribed"),
    ],
)
def test_who_wants_no_more_has_withdrawn_his_consent(name: str, kind: str, reason: str) -> None:
    left, withdrawn = told(name, asm_group_id=7)

    assert [left["type"], withdrawn["type"]] == [kind, "consent.withdrawn"]
    assert left["identifiers"][0]["role"] == withdrawn["identifiers"][0]["role"] == "subject"
    group = {"group": 7} if name.startswith("group") else {}
    assert withdrawn["properties"] == {"purpose": "marketing", "channel": "mail", "reason": reason} | group
    assert left["id"] != withdrawn["id"]


def test_who_comes_back_to_a_list_consents_to_that_one() -> None:
    (event,) = told("group_resubscribe", asm_group_id=7)

    assert event["type"] == "consent.given"
    assert event["properties"] == {"purpose": "marketing", "channel": "mail", "group": 7}


def test_a_click_carries_its_link_its_place_and_its_browser() -> None:
    (event,) = told("click", url="https://siyu.example/a", ip="203.0.113.7", useragent="Mozilla/5.0", siyu_link="tOk3n")

    assert event["properties"] == {"url": "https://siyu.example/a"}
    assert event["context"] == {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0"}
    hints = [one["value"] for one in event["identifiers"] if one["role"] == "hint"]
    assert hints == ["tOk3n"]


def test_a_picture_that_a_machine_fetched_is_said_to_be_so() -> None:
    assert told("open", sg_machine_open=True)[0]["properties"] == {"machine_open": True}
    assert told("open", sg_machine_open=False)[0]["properties"] == {}


def test_of_an_array_what_is_bad_goes_to_quarantine_and_the_rest_is_taken() -> None:
    to = collecting()
    good = {"event": "delivered", "sg_event_id": "e1", "email": "a@b.example", "timestamp": int(NOW.timestamp())}

    assert post(to, PATH, sendgrid([17, {"event": "open", "timestamp": "once"}, good])).status_code == 200
    assert [event["type"] for event in to.events] == ["mail.delivered"]
    assert len(to.quarantined) == 2


def test_what_is_signed_and_no_array_is_kept() -> None:
    to = collecting()

    assert post(to, PATH, sendgrid({"event": "open"})).status_code == 200
    assert [record.headers["ce_code"] for record in to.quarantined] == ["invalid_type"]
