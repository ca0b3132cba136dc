"""Accounts of platforms that sign what they post, and how each of them signs; keys are made anew for every run."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import httpx
import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from ingest.orders.shopify import ShopifyAccount
from ingest.orders.woocommerce import WooCommerceAccount
from ingest.orders.youzan import YouzanAccount
from siyu.simulators import mail, orders, webhook
from tests.ingest.collecting import Collecting
from tests.ingest.given import NOW

TOPIC = "arn:aws-cn:sns:cn-north-1:123456789012:mail"
CERTIFICATE_URL = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123ab.pem"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Request = tuple[bytes, Mapping[str, str]]


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def amazon_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_base64(key: ec.EllipticCurvePrivateKey) -> str:
    written = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return "".join(written.splitlines()[1:-1])


def certificate(key: rsa.RSAPrivateKey, until: datetime = NOW + timedelta(days=1)) -> bytes:
    """A certificate such as Amazon keeps at an address of its own, signed by *key* itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.example")])
    building = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    building = building.not_valid_before(NOW - timedelta(days=30)).not_valid_after(until)
    return building.sign(key, SHA256()).public_bytes(Encoding.PEM)


@cache
def amazon_certificate() -> bytes:
    return certificate(amazon_key())


async def amazon(url: str) -> bytes:
    """What Amazon has, whatever it is asked for."""
    return amazon_certificate()


def channels() -> dict[str, Any]:
    """An account at every platform that signs."""
    return {
        "mail": {
            "sendgrid": {"provider": "sendgrid", "public_key": public_base64(elliptic_key())},
            "mailgun": {"provider": "mailgun", "signing_key": "key-test"},
            "ses": {"provider": "ses", "topic_arn": TOPIC},
        },
        "orders": {
            "shopify": {"platform": "shopify", "secret": "hush"},
            "woo": {"platform": "woocommerce", "secret": "hush"},
            "youzan": {"platform": "youzan", "client_id": "abc", "client_secret": "s3s3", "kdt_id": "42"},
        },
        "webhooks": {
            "crm": {"secrets": [WHSEC]},
            "erp": {
                "secrets": [WHSEC],
                "constants": {"type": "order.paid", "channel": "orders"},
                "columns": {"data.paid_at": "occurred_at", "data.order.no": "order.id", "data.buyer.mobile": "phone"},
            },
        },
    }


def collecting(now: datetime = NOW, **more: Any) -> Collecting:
    return Collecting(more or channels(), now, fetch=amazon)


def post(to: Collecting, path: str, request: Request) -> httpx.Response:
    content, headers = request
    return to.send("POST", path, content=content, headers={n: v.encode("latin-1") for n, v in headers.items()})


def client(to: Collecting) -> httpx.Client:
    """A client whose requests *to* answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        got = to.send(request.method, request.url.path, content=request.read(), headers=dict(request.headers))
        return httpx.Response(got.status_code, content=got.content)

    return httpx.Client(base_url="http://127.0.0.1", transport=httpx.MockTransport(answer))


def sendgrid(entries: Any, at: datetime = NOW) -> Request:
    return mail.sendgrid_signed(elliptic_key())(entries, at)


def sendgrid_raw(content: bytes) -> Request:
    """What SendGrid would post if it could say *content*."""
    return mail.sendgrid_body_signed(elliptic_key(), content, NOW)


def mailgun(told: Any, at: datetime = NOW) -> Request:
    return mail.mailgun_signed("key-test")(told, at)


def notice(told: Mapping[str, Any], at: datetime = NOW, version: str = "2") -> Request:
    return mail.sns_signed(amazon_key(), TOPIC, version)({"SigningCertURL": CERTIFICATE_URL, **told}, at)


def ses(told: Any, at: datetime = NOW, version: str = "2") -> Request:
    return notice({"MessageId": "m-1", "Message": orjson.dumps(told).decode()}, at, version)


def shopify(topic: str, told: Any) -> Request:
    return orders.shopify_made(ShopifyAccount(platform="shopify", secret="hush"), topic, told)()


def woocommerce(topic: str, told: Any) -> Request:
    return orders.woocommerce_made(WooCommerceAccount(platform="woocommerce", secret="hush"), topic, told)()


YOUZAN = YouzanAccount(platform="youzan", client_id="abc", client_secret="s3s3", kdt_id="42")


def youzan(kind: str, told: Any, **more: Any) -> Request:
    return orders.youzan_made(YOUZAN, kind, told, **{"version": int(NOW.timestamp()), **more})()


def webhooked(told: Any, at: datetime = NOW, webhook_id: str = "msg_1") -> Request:
    body = orjson.dumps(told)
    return body, webhook.headers(WHSEC, webhook_id, int(at.timestamp()), body)
