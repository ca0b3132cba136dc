"""Amazon SES through SNS: whose signature, whose topic, and which addresses are ever asked."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from core.errors import Forbidden, Unavailable
from ingest.mail import sns
from ingest.mail.amazon import ANSWER_BYTES_MAX, CERTIFICATES_MAX, Certificates, fetched
from siyu.simulators.mail import sns_signed
from tests.ingest.collecting import Collecting
from tests.ingest.given import NOW
from tests.ingest.signed import (
    CERTIFICATE_URL,
    TOPIC,
    amazon_certificate,
    amazon_key,
    certificate,
    channels,
    collecting,
    notice,
    post,
    ses,
)

PATH = "/collect/mail/ses"
SUBSCRIBE = "https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription&TopicArn=arn:aws-cn:sns&Token=2336"
MAIL = {
    "messageId": "m",
    "timestamp": NOW.isoformat(),
    "destination": ["a@b.example"],
    "tags": {"siyu_link": ["tOk3n"]},
}


def told(name: str, mail: dict[str, Any] | None = None, **details: Any) -> list[dict[str, Any]]:
    """The events that come of one that SES calls *name*."""
    to = collecting()
    event = {"eventType": name, "mail": mail or MAIL, name.lower(): {"timestamp": NOW.isoformat(), **details}}
    assert post(to, PATH, ses(event)).status_code == 200
    assert not to.quarantined
    return to.events


class Amazon:
    """What is asked of Amazon, and what it has."""

    def __init__(self, has: bytes | None = None) -> None:
        self.asked: list[str] = []
        self.has = has or amazon_certificate()
        self.is_down = False

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if self.is_down:
            raise Unavailable("Amazon does not answer")
        return self.has


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_versions_of_the_signature_are_believed_and_no_other(version: str) -> None:
    to = collecting()
    event = {"eventType": "Send", "mail": MAIL}

    assert post(to, PATH, ses(event, version=version)).status_code == 200
    content, headers = ses(event, version=version)
    other = orjson.loads(content) | {"SignatureVersion": "3"}
    assert post(to, PATH, (orjson.dumps(other), headers)).status_code == 403
    assert len(to.events) == 1


def test_a_key_that_is_not_amazons_signs_nothing() -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    made = sns_signed(stranger, TOPIC)({"SigningCertURL": CERTIFICATE_URL, "Message": "{}"}, NOW)

    assert post(collecting(), PATH, made).status_code == 403


def test_what_is_signed_for_another_topic_is_refused_before_amazon_is_asked() -> None:
    asked = Amazon()
    to = Collecting(channels(), fetch=asked)
    made = sns_signed(amazon_key(), TOPIC + "2")({"SigningCertURL": CERTIFICATE_URL, "Message": "{}"}, NOW)

    assert post(to, PATH, made).status_code == 403
    assert not asked.asked


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem",
        "https://evil.amazonaws.com/x.pem",
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com@127.0.0.1/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem?x=/../y",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem\n@127.0.0.1",
        "https://127.0.0.1/SimpleNotificationService-0.pem",
        "",
    ],
)
def test_a_certificate_is_fetched_from_amazon_only(url: str) -> None:
    asked = Amazon()
    to = Collecting(channels(), fetch=asked)

    assert post(to, PATH, notice({"Message": "{}", "SigningCertURL": url})).status_code == 403
    assert not asked.asked


@pytest.mark.parametrize("host", ["sns.us-east-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"])
def test_amazon_has_two_homes(host: str) -> None:
    url = f"https://{host}/SimpleNotificationService-0123ab.pem"

    assert sns.certificate_url({"SigningCertURL": url}) == url


@pytest.mark.parametrize("age", [timedelta(hours=25), timedelta(hours=-25)])
def test_what_is_old_is_a_replay(age: timedelta) -> None:
    assert post(collecting(), PATH, ses({"eventType": "Send", "mail": MAIL}, NOW - age)).status_code == 403


def test_an_expired_certificate_vouches_for_nothing() -> None:
    to = Collecting(channels(), fetch=Amazon(certificate(amazon_key(), NOW - timedelta(days=1))))

    assert post(to, PATH, ses({"eventType": "Send", "mail": MAIL})).status_code == 403


def test_while_amazon_cannot_be_asked_it_is_told_to_come_again() -> None:
    asked = Amazon()
    asked.is_down = True
    to = Collecting(channels(), fetch=asked)

    assert post(to, PATH, ses({"eventType": "Send", "mail": MAIL})).status_code == 503
    asked.is_down = False
    assert post(to, PATH, ses({"eventType": "Send", "mail": MAIL})).status_code == 200


def test_a_pinned_certificate_spares_asking() -> None:
    asked = Amazon()
    pinned = {"provider": "ses", "topic_arn": TOPIC, "certificate": amazon_certificate().decode()}
    to = Collecting({"mail": {"ses": pinned}}, fetch=asked)

    assert post(to, PATH, ses({"eventType": "Send", "mail": MAIL})).status_code == 200
    assert not asked.asked


def subscription(**more: str) -> dict[str, str]:
    fields = {"Type": "SubscriptionConfirmation", "Token": "2336", "Message": "confirm?", "MessageId": "s-1"}
    return {**fields, "SubscribeURL": SUBSCRIBE, **more}


def confirming(asked: Amazon, confirm: bool) -> Collecting:
    return Collecting({"mail": {"ses": {"provider": "ses", "topic_arn": TOPIC, "confirm": confirm}}}, fetch=asked)


def test_a_subscription_is_confirmed_where_the_account_says_so() -> None:
    asked = Amazon()
    to = confirming(asked, confirm=True)

    assert post(to, PATH, notice(subscription())).status_code == 200
    assert asked.asked == [CERTIFICATE_URL, SUBSCRIBE]
    assert to.events[0]["properties"]["event"] == "SubscriptionConfirmation"


def test_otherwise_whoever_runs_this_finds_where_to_confirm_it() -> None:
    asked = Amazon()
    to = confirming(asked, confirm=False)

    assert post(to, PATH, notice(subscription())).status_code == 200
    assert asked.asked == [CERTIFICATE_URL]
    assert to.events[0]["properties"]["subscribe_url"] == SUBSCRIBE
    assert not to.quarantined


@pytest.mark.parametrize("url", ["https://127.0.0.1/?Action=ConfirmSubscription&Token=1", SUBSCRIBE + "#@evil.example"])
def test_a_subscription_is_confirmed_at_amazons_only(url: str) -> None:
    asked = Amazon()

    assert post(confirming(asked, confirm=True), PATH, notice(subscription(SubscribeURL=url))).status_code == 200
    assert asked.asked == [CERTIFICATE_URL]


def test_a_subscription_that_nobody_signed_is_not_confirmed() -> None:
    asked = Amazon()
    made = sns_signed(rsa.generate_private_key(65537, 2048), TOPIC)(
        {**subscription(), "SigningCertURL": CERTIFICATE_URL}, NOW
    )

    assert post(confirming(asked, confirm=True), PATH, made).status_code == 403
    assert asked.asked == [CERTIFICATE_URL]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("Send", ["mail.sent"]),
        ("Delivery", ["mail.delivered"]),
        ("Open", ["mail.opened"]),
        ("Click", ["mail.clicked"]),
        ("Bounce", ["mail.bounced"]),
        ("Complaint", ["mail.complained", "consent.withdrawn"]),
        ("Reject", ["track"]),
    ],
)
def test_each_has_its_type(name: str, kinds: list[str]) -> None:
    events = told(name)

    assert [event["type"] for event in events] == kinds
    people = {(one["value"], one["role"]) for event in events for one in event["identifiers"] if one["role"] != "hint"}
    assert people == {("a@b.example", "subject" if len(kinds) == 2 else "recipient")}


def test_each_who_is_meant_has_an_event_of_his_own() -> None:
    mail = {**MAIL, "destination": ["a@b.example", "c@d.example", "e@f.example"]}
    bounced = [{"emailAddress": "a@b.example"}, {"emailAddress": "c@d.example"}]

    events = told("Bounce", mail, bouncedRecipients=bounced, bounceType="Permanent")

    assert [event["identifiers"][0]["value"] for event in events] == ["a@b.example", "c@d.example"]
    assert len({event["id"] for event in events}) == 2
    assert {event["properties"]["bounceType"] for event in events} == {"Permanent"}


def test_who_of_several_opened_it_nobody_knows() -> None:
    (event,) = told("Open", {**MAIL, "destination": ["a@b.example", "c@d.example"]})

    assert [one["role"] for one in event["identifiers"]] == ["recipient", "recipient", "hint"]


def test_who_leaves_all_lists_has_unsubscribed() -> None:
    events = told("Subscription", newTopicPreferences={"unsubscribeAll": True})

    assert [event["type"] for event in events] == ["mail.unsubscribed", "consent.withdrawn"]


@contextmanager
def serving(status: int, content: bytes) -> Iterator[str]:
    """A server on this machine that answers everything with *content*."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_what_amazon_has_is_fetched() -> None:
    with serving(200, b"certificate") as url:
        assert asyncio.run(fetched(url)) == b"certificate"


@pytest.mark.parametrize(
    ("status", "content"), [(302, b""), (404, b"no"), (200, b"x" * (ANSWER_BYTES_MAX + 1))], ids=["302", "404", "large"]
)
def test_neither_a_redirect_nor_a_fault_nor_too_much_is_an_answer(status: int, content: bytes) -> None:
    with serving(status, content) as url, pytest.raises(Unavailable):
        asyncio.run(fetched(url))


def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(Unavailable):
        asyncio.run(fetched("http://127.0.0.1:1/"))


def test_a_certificate_is_fetched_once_and_the_oldest_is_forgotten() -> None:
    asked = Amazon()
    certificates = Certificates(asked)

    async def ask() -> None:
        for number in [*range(CERTIFICATES_MAX + 1), CERTIFICATES_MAX, 0]:
            await certificates(str(number))

    asyncio.run(ask())

    assert len(asked.asked) == CERTIFICATES_MAX + 2


def test_what_is_no_certificate_vouches_for_nothing() -> None:
    content, _ = ses({"eventType": "Send", "mail": MAIL})

    with pytest.raises(Forbidden):
        sns.check_signed(orjson.loads(content), b"no certificate", NOW)
