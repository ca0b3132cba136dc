"""How Amazon SNS signs what it posts, and which addresses it may name for us to ask. Nothing here reads or writes."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from core.errors import Forbidden, InvalidEvent
from ingest.proof import json_object, text

STALE_MAX = timedelta(days=1)  # it tries again for an hour at least, with the time of the first try

_HOST = r"https://sns\.[a-z0-9-]{3,32}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
_CONFIRMATION = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[A-Za-z0-9=&%:._~+-]{1,2048}")

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (*("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),),
}
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]
_HASHES = {"1": SHA1(), "2": SHA256()}  # noqa: S303 - version 1 is what SNS signs by unless it is told otherwise

Notice = Mapping[str, Any]


def notice_of(body: bytes, topic_arn: str) -> Notice:
    """Return what SNS posted, not yet proven. Raises `Forbidden` unless it is of the topic *topic_arn*.

    Everybody can have a topic of his own at Amazon, and Amazon signs for it.
    """
    try:
        notice = json_object(body)
    except InvalidEvent:
        raise Forbidden("this is not a notice of Amazon SNS") from None
    if text(notice, "TopicArn") != topic_arn or text(notice, "Type") not in _SIGNED:
        raise Forbidden("this is not a notice of the account's topic")
    if not all(isinstance(notice.get(name, ""), str) for name in _SIGNED[notice["Type"]]):
        raise Forbidden("what Amazon signs is text")  # of anything else, however deep, we would have to make one first
    return notice


def certificate_url(notice: Notice) -> str:
    """Return where Amazon keeps the certificate of *notice*. Raises `Forbidden` for any other place."""
    url = text(notice, "SigningCertURL")
    if not _CERTIFICATE.fullmatch(url):
        raise Forbidden("the certificate is not at Amazon's")
    return url


def confirmation_url(notice: Notice) -> str:
    """Return where a subscription is confirmed, empty where *notice* asks for no confirmation at Amazon's."""
    url = text(notice, "SubscribeURL")
    return url if notice.get("Type") == "SubscriptionConfirmation" and _CONFIRMATION.fullmatch(url) else ""


def check_signed(notice: Notice, certificate: bytes, now: datetime) -> None:
    """Raise `Forbidden` unless *notice* is signed by the key of *certificate* (PEM), not long before *now*."""
    try:
        signature = base64.b64decode(text(notice, "Signature"), validate=True)
        algorithm = _HASHES[text(notice, "SignatureVersion")]
        _key(certificate, now).verify(signature, signed(notice), PKCS1v15(), algorithm)
        signed_at = datetime.fromisoformat(text(notice, "Timestamp"))
        is_stale = abs(now - signed_at) > STALE_MAX
    except (binascii.Error, KeyError, TypeError, ValueError, InvalidSignature):
        raise Forbidden("the signature is not Amazon's") from None
    if is_stale:
        raise Forbidden("the timestamp is too old, or the clocks differ")


def signed(notice: Notice) -> bytes:
    """Return what SNS signs of *notice*: some of its fields, in a fixed order, each with its name."""
    named = ((name, notice.get(name)) for name in _SIGNED[notice["Type"]])
    return "".join(f"{name}\n{value}\n" for name, value in named if value is not None).encode()


def _key(certificate: bytes, now: datetime) -> RSAPublicKey:
    read = x509.load_pem_x509_certificate(certificate)
    key = read.public_key()
    if not isinstance(key, RSAPublicKey) or not read.not_valid_before_utc <= now <= read.not_valid_after_utc:
        raise ValueError("the certificate is not valid now")
    return key
