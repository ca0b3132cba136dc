"""SendGrid, Mailgun and Amazon SES as they behave: what they tell of one mail, signed, and sent until it is accepted."""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from core.clock import Clock, system_clock
from core.errors import InvalidSetting
from ingest.mail.collecting import MailAccount
from ingest.mail.mailgun import MailgunAccount
from ingest.mail.sendgrid import SIGNATURE, TIMESTAMP, SendGridAccount
from ingest.mail.ses import SesAccount
from siyu.simulators.posting import Made, Post, Sleep, forged, posted
from siyu.simulators.sending import Check, Simulator

Signed = Callable[[Any, datetime], tuple[bytes, Mapping[str, str]]]

# When each tries again.
SENDGRID_WAITS_SECONDS = (60, 300, 900, 3_600, 14_400, 64_740)  # "up to 24 hours"; the steps are not published
MAILGUN_WAITS_SECONDS = (300, 600, 900, 3_600, 7_200, 14_400)
SES_WAITS_SECONDS = (0, 0, 1, 1, *(20,) * 46)

_READER = "reader@siyu.example"
_CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"


def simulator(
    name: str, account: MailAccount, key_pem: bytes | None, clock: Clock = system_clock, sleep: Sleep = time.sleep
) -> Simulator:
    """Return the provider of the account called *name*.

    SendGrid and Amazon sign by keys that nobody else has: *key_pem* is the private key (PEM) to which the account's public
    key, or its certificate, belongs. Raises `InvalidSetting` where it is missing or another kind of key.
    """
    signed, entries, waits = _behaviour(account, key_pem)

    def run(client: httpx.Client) -> Iterator[Check]:
        story = [Post(what, _made(signed, told, clock)) for what, told in entries(clock())]
        again, attack = story[-1], Post("says something else", forged(story[-1].made), 403)
        old = Post(
            "replays what is old", _made(signed, entries(clock())[-1][1], lambda: clock() - timedelta(days=3)), 403
        )
        posts = [*story, Post("sends it again", again.made), attack, old]
        yield from posted(client, f"/collect/mail/{name}", posts, waits, sleep)

    return run


def sendgrid_signed(key: ec.EllipticCurvePrivateKey) -> Signed:
    """Return how SendGrid signs: over the time and the body, final line end included."""

    def signed(told: Any, at: datetime) -> tuple[bytes, Mapping[str, str]]:
        return sendgrid_body_signed(key, orjson.dumps(told) + b"\r\n", at)

    return signed


def sendgrid_body_signed(key: ec.EllipticCurvePrivateKey, body: bytes, at: datetime) -> tuple[bytes, Mapping[str, str]]:
    """Return *body*, whatever it says, as SendGrid signs it."""
    stamp = str(int(at.timestamp()))
    signature = key.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
    return body, {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: stamp}


def mailgun_signed(signing_key: str) -> Signed:
    """Return how Mailgun signs: over the time and a token, in the body."""

    def signed(told: Any, at: datetime) -> tuple[bytes, Mapping[str, str]]:
        stamp, token = str(int(at.timestamp())), secrets.token_hex(25)
        signature = hmac.new(signing_key.encode(), (stamp + token).encode(), "sha256").hexdigest()
        envelope = {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": told}
        return orjson.dumps(envelope), {"Content-Type": "application/json"}

    return signed


def sns_signed(key: rsa.RSAPrivateKey, topic_arn: str, version: str = "2") -> Signed:
    """Return how Amazon SNS signs: some fields in a fixed order. What is told may override those of the notice."""

    def signed(told: Any, at: datetime) -> tuple[bytes, Mapping[str, str]]:
        notice = {
            "Type": "Notification",
            "MessageId": str(uuid4()),
            "TopicArn": topic_arn,
            "Timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": version,
            "SigningCertURL": _CERTIFICATE_URL,
            **told,
        }
        order = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        content = "".join(f"{name}\n{notice[name]}\n" for name in order if name in notice)
        algorithm = SHA1() if version == "1" else SHA256()  # noqa: S303 - what SNS calls version 1
        signature = key.sign(content.encode(), padding.PKCS1v15(), algorithm)
        notice["Signature"] = base64.b64encode(signature).decode()
        return orjson.dumps(notice), {"Content-Type": "text/plain; charset=UTF-8"}

    return signed


def sendgrid_events(at: datetime) -> list[tuple[str, Any]]:
    """Return what SendGrid tells of one mail: what it calls it, and the array."""
    stamp = int(at.timestamp())
    common = {"email": _READER, "timestamp": stamp, "sg_message_id": secrets.token_hex(8), "siyu_link": "s1mulated"}

    def entry(name: str, **more: Any) -> dict[str, Any]:
        return {**common, "event": name, "sg_event_id": secrets.token_urlsafe(16), **more}

    agent = {"ip": "203.0.113.7", "useragent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"}
    return [
        ("sends and delivers", [entry("processed"), entry("delivered", response="250 OK")]),
        ("is opened and clicked", [entry("open", **agent), entry("click", url="https://siyu.example/a", **agent)]),
        ("is unsubscribed from", [entry("unsubscribe")]),
    ]


def mailgun_events(at: datetime) -> list[tuple[str, Any]]:
    """Return what Mailgun tells of one mail, one thing at a time."""

    def told(name: str, **more: Any) -> dict[str, Any]:
        common = {"event": name, "id": secrets.token_urlsafe(16), "timestamp": at.timestamp(), "recipient": _READER}
        return {**common, "user-variables": {"siyu_link": "s1mulated"}, **more}

    return [
        ("delivers", told("delivered")),
        ("is clicked", told("clicked", url="https://siyu.example/a", ip="203.0.113.7")),
        ("is unsubscribed from", told("unsubscribed")),
    ]


def ses_events(at: datetime) -> list[tuple[str, Any]]:
    """Return what SES publishes of one mail, as notices of SNS."""
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    mail = {"messageId": secrets.token_hex(16), "timestamp": stamp, "destination": [_READER]}
    tagged = {**mail, "tags": {"siyu_link": ["s1mulated"]}}

    def told(name: str, **details: Any) -> dict[str, Any]:
        event = {"eventType": name, "mail": tagged, name.lower(): {"timestamp": stamp, **details}}
        return {"MessageId": str(uuid4()), "Message": orjson.dumps(event).decode()}

    return [
        ("delivers", told("Delivery", recipients=[_READER])),
        ("is clicked", told("Click", link="https://siyu.example/a", ipAddress="203.0.113.7")),
        ("is complained of", told("Complaint", complainedRecipients=[{"emailAddress": _READER}])),
    ]


Entries = Callable[[datetime], list[tuple[str, Any]]]


def _behaviour(account: MailAccount, key_pem: bytes | None) -> tuple[Signed, Entries, tuple[float, ...]]:
    match account:
        case MailgunAccount():
            return mailgun_signed(account.signing_key), mailgun_events, MAILGUN_WAITS_SECONDS
        case SendGridAccount():
            key = _private_key(key_pem)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return sendgrid_signed(key), sendgrid_events, SENDGRID_WAITS_SECONDS
        case SesAccount():
            key = _private_key(key_pem)
            if isinstance(key, rsa.RSAPrivateKey):
                return sns_signed(key, account.topic_arn), ses_events, SES_WAITS_SECONDS
    raise InvalidSetting("this key is not of the kind that the provider signs by")


def _private_key(key_pem: bytes | None) -> object:
    if key_pem is None:
        raise InvalidSetting("to sign like this provider the private key of the account is needed")
    try:
        return load_pem_private_key(key_pem, None)
    except (TypeError, ValueError):
        raise InvalidSetting("the private key is not PEM without a password") from None


def _made(signed: Signed, told: Any, clock: Clock) -> Made:
    return lambda: signed(told, clock())
