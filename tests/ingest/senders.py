"""How each platform and sender speaks to its collector, and what others can make of what they saw.

What is sent is made anew for every try, as its sender would: signed, sealed or with a code again. `{…}` in a path and
`<code>` in a body stand for what only the installation that is attacked can know.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped] # it comes without types

from ingest.ads.platforms import PLATFORMS
from ingest.links.link import Signs
from ingest.mini.account import MiniAccount
from ingest.mini.session import Session, Sessions
from ingest.orders.youzan import signature as youzan_signature
from ingest.pages.shares import Shares
from ingest.sms.twilio import signed as twilio_signed
from siyu.simulators import orders, sealing, webhook
from siyu.simulators.mini_program import Owner
from tests.ingest import given_pages, signed
from tests.ingest.attacks import (
    BOMB,
    SPOILED,
    Attack,
    Right,
    Rights,
    Sent,
    rights,
)
from tests.ingest.collecting import PUBLIC_URL, SIGNING_KEY
from tests.ingest.given import NOW
from tests.ingest.wechat.test_crypto import SAMPLE_KEY, WECOM_KEY

STAMP = int(NOW.timestamp())
AT = NOW.isoformat()
# Whose names and secrets are never to be seen but in the log.
PHONE, RECEIVER, EMAIL = "13912345678", "13733334444", "attacked@b.example"
OPENID, UNIONID, EXTERNAL = "oAttackedReader1", "uAttackedReader1", "wmAttackedCustomer1"
TOKEN, KEY, SMS_SECRETS = "wechatToken1", "k" * 32, {name: name[0] * 40 for name in ("aliyun", "tencent", "twilio")}
TWILIO_TOKEN, APP_SECRET = "0123456789abcdef", "miniSecret1"
SESSION_KEY = b64encode(b"0123456789abcdef").decode()
PLATFORM_SECRETS = (TOKEN, KEY, *SMS_SECRETS.values(), TWILIO_TOKEN, APP_SECRET, SESSION_KEY, SAMPLE_KEY, WECOM_KEY)
SECRETS = (*PLATFORM_SECRETS, signed.WHSEC, "shopSecret1", "key-test", "s3s3")
VALUES = (PHONE, RECEIVER, EMAIL, OPENID, UNIONID, EXTERNAL, *SECRETS)

APP, CORP, MINI_APP, PHONE_ID = "wx8a1", "wwcorp1", "wxa111", "b" * 32
SIGNS, SHARES = Signs.of(SIGNING_KEY), Shares(SIGNING_KEY)
USERS = {"anna": Owner(OPENID, UNIONID, PHONE)}


def post(path: str, request: signed.Request, **query: str) -> Sent:
    return Sent("POST", path, *request, query)


def json(path: str, told: Any, headers: Mapping[str, str] | None = None) -> Sent:
    return Sent("POST", path, orjson.dumps(told), {"Content-Type": "application/json"} | dict(headers or {}))


# What others can make of a request that they saw


def altered(sent: Sent) -> Sequence[Sent]:
    """Say something else under the signature, or anything without one."""
    content = sent.content
    others = (content.replace(b"a", b"b").replace(b"E1", b"E2").replace(b"0", b"1"), content[:-3] + b"{}", b"", b"\xff")
    return [*(replace(sent, content=other) for other in others), Sent("POST", sent.path, b"{}", {}, {})]


def queried(sent: Sent) -> Sequence[Sent]:
    """Do so where the query has the signature: of another moment, by another token, none at all, two of one."""
    later = {**sent.query, "timestamp": str(STAMP + 1)}
    other = sealing.Stamp("another token", NOW, "n1").signed("signature", "")
    many = [later, {**sent.query, "nonce": "other"}, {**sent.query, **other, "msg_signature": other["signature"]}, {}]
    doubled = f"{sent.path}?{urlencode(sent.query)}&signature=0&msg_signature=0"
    return [*(replace(sent, query=one) for one in many), replace(sent, path=doubled, query={})]


def sealed_otherwise(sent: Sent) -> Sequence[Sent]:
    """Do so where the body is encrypted: in clear, cut, a bomb around it, sealed for somebody else."""
    clear = replace(sent, content=sealing.xml(FOLLOWED))
    bomb = replace(sent, content=BOMB)
    return [*queried(sent), *(replace(sent, content=sent.content.replace(b"A", b"B")), clear, bomb), of_another()]


def of_another() -> Sent:
    return wechat_safe("safe", sealing.xml(FOLLOWED), receiver="wxOther")


def elsewhere(sent: Sent) -> Sequence[Sent]:
    """Guess the address."""
    return [
        replace(sent, path=sent.path[:-1]),
        replace(sent, path=sent.path[:-1] + "x"),
        replace(sent, path=sent.path + "é"),
    ]


def unauthorised(sent: Sent) -> Sequence[Sent]:
    """Show no key, or another."""
    keys = ("Bearer another", "Basic " + b64encode(b"another:").decode())
    return [replace(sent, headers={}), *(replace(sent, headers={"Authorization": key}) for key in keys)]


def keyless(sent: Sent) -> Sequence[Sent]:
    """Do so where the key stands in the body."""
    return [replace(sent, content=sent.content.replace(b'"browser"', key)) for key in (b'"another"', b'""')]


# WeChat and WeCom

FOLLOWED: Mapping[str, Any] = {
    "ToUserName": "gh_1",
    "FromUserName": OPENID,
    "CreateTime": STAMP,
    "MsgType": "event",
    "Event": "subscribe",
    "EventKey": f"qrscene_{SIGNS.follow.written(7)}",
}
MODIFIED = {**FOLLOWED, "Event": "user_info_modified", "OpenID": OPENID, "UnionID": UNIONID}
ADDED: Mapping[str, Any] = {
    "ToUserName": CORP,
    "FromUserName": "sys",
    "CreateTime": STAMP,
    "MsgType": "event",
    "Event": "change_external_contact",
    "ChangeType": "add_external_contact",
    "UserID": "zhangsan",
    "ExternalUserID": EXTERNAL,
    "State": SIGNS.follow.written(7),
}


def levitated(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**told, "Event": "levitated"}


def wechat_plain(name: str, content: bytes) -> Sent:
    stamp = sealing.Stamp(TOKEN, NOW, "n1")
    return Sent("POST", f"/collect/wechat/{name}", content, query=stamp.signed("signature"))


def wechat_safe(
    name: str, content: bytes, written: Callable[[sealing.Fields], bytes] = sealing.xml, receiver: str = APP
) -> Sent:
    encrypted = sealing.sealed(SAMPLE_KEY, content, receiver)
    query = sealing.Stamp(TOKEN, NOW, "n1").signed("msg_signature", encrypted) | {"encrypt_type": "aes"}
    return Sent("POST", f"/collect/wechat/{name}", written({"ToUserName": "gh_1", "Encrypt": encrypted}), query=query)


def wecom(content: bytes) -> Sent:
    encrypted = sealing.sealed(WECOM_KEY, content, CORP)
    query = sealing.Stamp(TOKEN, NOW, "n1").signed("msg_signature", encrypted)
    return Sent("POST", "/collect/wecom/hq", sealing.xml({"ToUserName": CORP, "Encrypt": encrypted}), query=query)


UNREADABLE: Rights = {
    Attack.XML_BOMB: Right(200, kept=("invalid_xml",)),
    Attack.CHARSET: Right(200, kept=("invalid_encoding",)),
}
BY_WECHAT = frozenset({"wechat_openid wechat_unionid"})

# Texts


def sms(provider: str, content: bytes) -> Sent:
    return Sent("POST", f"/collect/sms/{provider}/{SMS_SECRETS[provider]}", content)


def twilio(form: Mapping[str, str]) -> Sent:
    """What Twilio posts, signed by its own library."""
    path = f"/collect/sms/twilio/{SMS_SECRETS['twilio']}"
    signature = RequestValidator(TWILIO_TOKEN).compute_signature(f"{PUBLIC_URL}{path}", form)
    content = "&".join(f"{name}={quote(value)}" for name, value in form.items()).encode()
    return Sent("POST", path, content, {"X-Twilio-Signature": signature})


def twilio_streams(content: bytes) -> Sent:
    """The same of any body: then its hash is signed."""
    hashed = hashlib.sha256(content).hexdigest()
    path = f"/collect/sms/twilio/{SMS_SECRETS['twilio']}?bodySHA256={hashed}"
    return Sent("POST", path, content, {"X-Twilio-Signature": twilio_signed(TWILIO_TOKEN, f"{PUBLIC_URL}{path}", ())})


REPORT = {"phone_number": PHONE, "report_time": "2026-11-03 20:41:07", "success": True, "err_code": "OK", "biz_id": "1"}
STATUS = {
    "mobile": PHONE,
    "nationcode": "86",
    "report_status": "SUCCESS",
    "sid": "1",
    "user_receive_time": "2026-11-03 20:41:07",
}
INBOUND = {"MessageSid": "SM1", "SmsStatus": "received", "From": f"+86{PHONE}", "To": "+14155550100", "Body": "hi"}

# Mail, orders, webhooks


def entry(name: str) -> Mapping[str, Any]:
    told = {"event": name, "id": "e1", "sg_event_id": "e1", "email": EMAIL, "recipient": EMAIL, "timestamp": STAMP}
    return {**told, "siyu_link": SIGNS.follow.written(7)}


def of_mail(name: str) -> Mapping[str, Any]:
    return {"eventType": name, "mail": {"timestamp": AT, "destination": [EMAIL], "messageId": "m1"}}


def raw(path: str) -> Callable[[bytes], Sent]:
    """A body of a platform that signs within the body: what is not of its form is not signed."""
    return lambda content: Sent("POST", path, content, {"Content-Type": "application/json"})


UNSIGNED: Rights = dict.fromkeys(SPOILED, Right(403))

ORDER: Mapping[str, Any] = {
    "id": 1,
    "status": "pending",
    "total": "1.00",
    "total_price": "1.00",
    "created_at": AT,
    "updated_at": AT,
    "date_created_gmt": "2026-11-03T12:00:00",
    "date_modified_gmt": "2026-11-03T12:00:00",
    "customer_id": 71,
    "customer": {"id": 71, "email": EMAIL, "phone": f"+86{PHONE}"},
    "billing": {"phone": PHONE, "email": EMAIL},
    "shipping": {"phone": RECEIVER},
    "shipping_address": {"phone": RECEIVER},
    "landing_site": "/?gclid=abc",
}
BOUGHT = frozenset({"phone shop_customer_id", "email shop_customer_id"})
PUSHED: Mapping[str, Any] = {
    "full_order_info": {
        "order_info": {"tid": "E1"},
        "pay_info": {"payment": "1.00"},
        "buyer_info": {"yz_open_id": "71", "buyer_phone": PHONE},
        "address_info": {"receiver_tel": RECEIVER},
    }
}


def shop(name: str, header: str, **more: str) -> Callable[[bytes], Sent]:
    return lambda content: post(f"/collect/orders/{name}", orders.hmac_signed("shopSecret1", content, header, **more))


def shopify(topic: str) -> Callable[[bytes], Sent]:
    return shop("shopify", "X-Shopify-Hmac-Sha256", **{"X-Shopify-Topic": topic})


def woocommerce(topic: str) -> Callable[[bytes], Sent]:
    return shop("woo", "X-WC-Webhook-Signature", **{"X-WC-Webhook-Topic": topic})


def youzan(kind: str) -> Sent:
    return post("/collect/orders/youzan", signed.youzan(kind, PUSHED))


def youzan_header(content: bytes) -> Sent:
    headers = {"Event-Sign": youzan_signature("abc", content, "s3s3")}
    return Sent("POST", "/collect/orders/youzan", content, headers)


def webhooked(content: bytes) -> Sent:
    return Sent("POST", "/collect/webhook/crm", content, webhook.headers(signed.WHSEC, "msg_1", STAMP, content))


# Events as our own senders write them

PEOPLE: Sequence[Mapping[str, str]] = (
    {"namespace": "user_id", "scope": "hq", "value": "u1"},
    {"namespace": "phone", "value": PHONE},
    {"namespace": "phone", "value": RECEIVER, "role": "receiver"},
    {"namespace": "link_token", "value": SIGNS.follow.written(7), "role": "hint"},
)
PAID: Mapping[str, Any] = {
    "id": "1",
    "type": "order.paid",
    "channel": "orders",
    "occurred_at": AT,
    "identifiers": PEOPLE,
}
READ: Mapping[str, Any] = {
    "id": "1",
    "type": "article.read",
    "channel": "h5",
    "occurred_at": AT,
    "identifiers": [{"namespace": "anonymous_id", "value": PHONE_ID}],
    "article": {"id": "a"},
    "share": {"token": SHARES.own("a", "c" * 32, "main")},
}
BEARER = {"Authorization": "Bearer server"}


def identify(key: str, kind: str = "identify") -> Sent:
    said = {"type": kind, "userId": "u1", "anonymousId": "anon1", "messageId": "m1", "timestamp": AT}
    message = {**said, "traits": {"email": EMAIL, "phone": f"+86{PHONE}"}}
    return json("/v1/batch", {"batch": [message], "sentAt": AT}, {"Authorization": f"Bearer {key}"})


def beacon(event: Mapping[str, Any]) -> Sent:
    return json("/v1/beacon", {"writeKey": "browser", "events": [event]}, {"Origin": given_pages.SITE})


def opening(**fields: Any) -> Sent:
    request = given_pages.opening(came_by=SHARES.own("a", "c" * 32, "main"), **fields)
    return json("/v1/pages/open", request["json"], request["headers"])


def of_another_site(sent: Sent) -> Sequence[Sent]:
    return [replace(sent, headers={"Origin": origin}) for origin in ("https://evil.example", "null", "")]


# What only says that the sender is one of ours, and is answered like any sender of ours: he can mend it
MENDABLE: Rights = dict.fromkeys(SPOILED, Right(400))

# Mini-programs

MINI = {"app_id": MINI_APP, "secret": APP_SECRET, "open_platform": "brand"}


def session(name: str = "main", anonymous_id: str = PHONE_ID) -> str:
    account = MiniAccount.model_validate(MINI)
    return Sessions(SIGNING_KEY, name, account).sealed(Session(OPENID, UNIONID, anonymous_id, SESSION_KEY), NOW)


def mini(what: str, **fields: Any) -> Sent:
    return json(f"/mini/main/{what}", {"writeKey": "browser", "anonymous_id": PHONE_ID, **fields})


def mini_read(kind: str = "article.read", sealed: str | None = None) -> Sent:
    told = {"id": "1", "type": kind, "occurred_at": AT, "article": {"id": "a"}}
    return mini("events", session=sealed or session(), events=[told])


def of_another_phone(_: Sent) -> Sequence[Sent]:
    return [mini_read(sealed=one) for one in (session(anonymous_id="c" * 32), session("other"), "A" * 200, "é")]


# Links


def get(path: str) -> Callable[[], Sent]:
    return lambda: Sent("GET", path, headers={"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"})


def guessed(sent: Sent) -> Sequence[Sent]:
    """Guess a token, or take one that was made for something else."""
    kind = sent.path[:3]
    tokens = ("0", "{follow}0", "{leave}" if kind != "/u/" else "{follow}", Signs.of(b"f" * 32).follow.written(1))
    return [replace(sent, path=f"{kind}{token}{'.gif' if kind == '/o/' else ''}") for token in tokens]


def unread(sent: Callable[[], Sent]) -> Callable[[bytes], Sent]:
    """Say *content* to whom does not read what is said."""
    return lambda content: replace(sent(), content=content)


def links(ok: int, *kinds: str, forged: int = 404) -> Rights:
    taken = Right(ok, kinds)
    return rights(
        forged=Right(forged),
        replayed=taken,
        twice=taken,
        log_down=Right(ok, kinds),
        but=dict.fromkeys((*SPOILED, Attack.GZIP_BOMB, Attack.LARGE), taken),
        unknown="who opens a link says nothing but that",
    )


def ad(name: str, **more: str) -> Sent:
    """A click with all by which its platform names it, and whoever clicked."""
    parameters = PLATFORMS[name].parameters.items()  # type: ignore[index] # each is one of them
    told = {parameter: _AD[target] for parameter, target in parameters if target in _AD}
    return Sent("GET", f"/collect/ads/{name}", query={"key": KEY, **told, **more})


_AD = {"click_id": "c1", "context.ip": "203.0.113.7", "openid": OPENID, "occurred_at": str(STAMP)}


def wrongly_keyed(sent: Sent) -> Sequence[Sent]:
    bare = replace(sent, query={name: value for name, value in sent.query.items() if name != "key"})
    doubled = replace(sent, path=f"{sent.path}?key=wrong&key={KEY}", query={})
    return [bare, doubled, *(replace(sent, query={**sent.query, "key": key}) for key in ("", KEY[:-1], KEY + "k", "é"))]
