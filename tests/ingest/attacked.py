"""All collectors in one table: how each is reached, how it is spoken to, and what is right when it is attacked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from ingest.ads.platforms import PLATFORMS
from siyu.simulators import sealing
from siyu.simulators.mini_program import MiniProgramUsers
from tests.ingest import given_pages, signed
from tests.ingest.attacks import Collector, Right, Sent, rights
from tests.ingest.senders import (
    ADDED,
    APP,
    APP_SECRET,
    BEARER,
    BOUGHT,
    BY_WECHAT,
    CORP,
    FOLLOWED,
    INBOUND,
    KEY,
    MENDABLE,
    MINI,
    MINI_APP,
    MODIFIED,
    ORDER,
    PAID,
    PHONE,
    READ,
    REPORT,
    SMS_SECRETS,
    STATUS,
    TOKEN,
    TWILIO_TOKEN,
    UNREADABLE,
    UNSIGNED,
    USERS,
    ad,
    altered,
    beacon,
    elsewhere,
    entry,
    get,
    guessed,
    identify,
    json,
    keyless,
    levitated,
    links,
    mini,
    mini_read,
    of_another_phone,
    of_another_site,
    of_mail,
    opening,
    post,
    queried,
    raw,
    sealed_otherwise,
    session,
    shopify,
    sms,
    twilio,
    twilio_streams,
    unauthorised,
    unread,
    webhooked,
    wechat_plain,
    wechat_safe,
    wecom,
    woocommerce,
    wrongly_keyed,
    youzan,
    youzan_header,
)
from tests.ingest.wechat.test_crypto import SAMPLE_KEY, WECOM_KEY


def ads(name: str) -> Collector:
    clicked = Right(200, ("ad.clicked",))
    right = rights(
        "ad.clicked",
        replayed=clicked,
        xml_bomb=clicked,
        charset=clicked,
        deep=clicked,
        unknown="an ad platform tells clicks and nothing else",
    )
    return Collector(lambda: ad(name), None, unread(lambda: ad(name)), wrongly_keyed, right)


CHANNELS: Mapping[str, Any] = {
    "wechat": {
        "plain": {"app_id": APP, "token": TOKEN, "open_platform": "brand"},
        "safe": {"app_id": APP, "token": TOKEN, "open_platform": "brand", "encoding_aes_key": SAMPLE_KEY},
        "pushes": {"app_id": APP, "token": TOKEN, "open_platform": "brand", "kind": "mini_program"},
    },
    "wecom": {"hq": {"corp_id": CORP, "token": TOKEN, "encoding_aes_key": WECOM_KEY}},
    "sms": {
        name: {"provider": name, "secret": secret, **({"auth_token": TWILIO_TOKEN} if name == "twilio" else {})}
        for name, secret in SMS_SECRETS.items()
    },
    "mail": signed.channels()["mail"],
    "orders": {
        "shopify": {"platform": "shopify", "secret": "shopSecret1"},
        "woo": {"platform": "woocommerce", "secret": "shopSecret1"},
        "youzan": signed.channels()["orders"]["youzan"],
    },
    "webhooks": signed.channels()["webhooks"],
    "ads": {
        name: {"platform": name, "secret": KEY, **({"app_id": APP} if name == "tencent" else {})} for name in PLATFORMS
    },
    "pages": {"main": {"hosts": [given_pages.SITE]}},
}


def channels(api_url: str) -> Mapping[str, Any]:
    """All accounts; *api_url* is where WeChat answers, for those that ask it."""
    return {**CHANNELS, "mini": {name: {**MINI, "api_url": api_url} for name in ("main", "other")}}


def users() -> MiniProgramUsers:
    """A WeChat that knows who has a phone."""
    return MiniProgramUsers(MINI_APP, APP_SECRET, USERS)


COLLECTORS: Mapping[str, Collector] = {
    "official account, plain": Collector(
        lambda: wechat_plain("plain", sealing.xml(FOLLOWED)),
        lambda: wechat_plain("plain", sealing.xml(levitated(FOLLOWED))),
        lambda content: wechat_plain("plain", content),
        queried,
        rights("official_account.followed", but=UNREADABLE),
    ),
    "official account, safe, XML": Collector(
        lambda: wechat_safe("safe", sealing.xml(FOLLOWED)),
        lambda: wechat_safe("safe", sealing.xml(levitated(FOLLOWED))),
        lambda content: wechat_safe("safe", content),
        sealed_otherwise,
        rights("official_account.followed", but=UNREADABLE),
    ),
    "official account, safe, JSON": Collector(
        lambda: wechat_safe("safe", sealing.json(MODIFIED), sealing.json),
        lambda: wechat_safe("safe", sealing.json(levitated(FOLLOWED)), sealing.json),
        lambda content: wechat_safe("safe", content, sealing.json),
        sealed_otherwise,
        rights("track", but=UNREADABLE),
        bonds=BY_WECHAT,
    ),
    "mini-program pushes": Collector(
        lambda: wechat_plain("pushes", sealing.json(MODIFIED)),
        lambda: wechat_plain("pushes", sealing.json(levitated(FOLLOWED))),
        lambda content: wechat_plain("pushes", content),
        queried,
        rights("track", but=UNREADABLE),
        bonds=BY_WECHAT,
    ),
    "WeCom": Collector(
        lambda: wecom(sealing.xml(ADDED)),
        lambda: wecom(sealing.xml(levitated(ADDED))),
        wecom,
        sealed_otherwise,
        rights("wecom.contact_added", but=UNREADABLE),
    ),
    "SMS, Aliyun": Collector(
        lambda: sms("aliyun", orjson.dumps([REPORT])),
        lambda: sms("aliyun", orjson.dumps([{"phone_number": PHONE, "levitated": True}])),
        lambda content: sms("aliyun", content),
        elsewhere,
        rights("sms.delivered", forged=Right(404), replayed=Right(200, ("sms.delivered",))),
    ),
    "SMS, Tencent": Collector(
        lambda: sms("tencent", orjson.dumps([STATUS])),
        lambda: sms("tencent", orjson.dumps([{"mobile": PHONE, "levitated": True}])),
        lambda content: sms("tencent", content),
        elsewhere,
        rights("sms.delivered", forged=Right(404), replayed=Right(200, ("sms.delivered",))),
    ),
    "SMS, Twilio": Collector(
        lambda: twilio(INBOUND),
        lambda: twilio({**INBOUND, "SmsStatus": "levitated"}),
        twilio_streams,
        lambda sent: [replace(sent, content=sent.content + b"1"), replace(sent, headers={})],
        rights("sms.replied", replayed=Right(200, ("sms.replied",))),
    ),
    "mail, SendGrid": Collector(
        lambda: post("/collect/mail/sendgrid", signed.sendgrid([entry("open")])),
        lambda: post("/collect/mail/sendgrid", signed.sendgrid([entry("levitated")])),
        lambda content: post("/collect/mail/sendgrid", signed.sendgrid_raw(content)),
        altered,
        rights("mail.opened"),
    ),
    "mail, Mailgun": Collector(
        lambda: post("/collect/mail/mailgun", signed.mailgun(entry("opened"))),
        lambda: post("/collect/mail/mailgun", signed.mailgun(entry("levitated"))),
        raw("/collect/mail/mailgun"),
        altered,
        rights("mail.opened", but=UNSIGNED),
    ),
    "mail, SES": Collector(
        lambda: post("/collect/mail/ses", signed.ses(of_mail("Send"))),
        lambda: post("/collect/mail/ses", signed.ses(of_mail("Lift"))),
        raw("/collect/mail/ses"),
        altered,
        rights("mail.sent", but=UNSIGNED),
    ),
    "orders, Shopify": Collector(
        lambda: shopify("orders/create")(orjson.dumps(ORDER)),
        lambda: shopify("orders/levitated")(orjson.dumps(ORDER)),
        shopify("orders/create"),
        altered,
        rights("order.placed", deep=Right(200, kept=("invalid_amount",)), replayed=Right(200, ("order.placed",))),
        bonds=BOUGHT,
    ),
    "orders, WooCommerce": Collector(
        lambda: woocommerce("order.created")(orjson.dumps(ORDER)),
        lambda: woocommerce("coupon.levitated")(orjson.dumps(ORDER)),
        woocommerce("order.created"),
        altered,
        rights("order.placed", deep=Right(200, ("track",)), replayed=Right(200, ("order.placed",))),
        bonds=BOUGHT,
    ),
    "orders, Youzan": Collector(
        lambda: youzan("trade_TradeCreate"),
        lambda: youzan("trade_TradeLevitated"),
        youzan_header,
        altered,
        rights("order.placed", replayed=Right(200, ("order.placed",)), but=UNSIGNED),
        bonds=frozenset({"phone shop_customer_id"}),
    ),
    "Standard Webhooks": Collector(
        lambda: webhooked(orjson.dumps(PAID)),
        lambda: webhooked(orjson.dumps({**PAID, "type": "order.levitated"})),
        webhooked,
        altered,
        rights("order.paid", deep=Right(200, kept=("missing",)), unknown=Right(200, kept=("value_error",))),
        bonds=frozenset({"phone user_id"}),
    ),
    **{f"ads, {name}": ads(name) for name in PLATFORMS},
    "tracking, server": Collector(
        lambda: identify("server"),
        lambda: identify("server", "levitate"),
        lambda content: replace(identify("server"), content=content),
        unauthorised,
        rights(
            *("identify", "identify"),
            forged=Right(401),
            replayed=Right(200, ("identify", "identify")),
            unknown=Right(200, kept=("unknown_type",)),
            but=MENDABLE,
        ),
        bonds=frozenset({"anonymous_id user_id", "email user_id", "phone user_id"}),
    ),
    "tracking, browser": Collector(
        lambda: identify("browser"),
        lambda: identify("browser", "levitate"),
        lambda content: replace(identify("browser"), content=content),
        unauthorised,
        rights(
            *("identify", "identify"),
            forged=Right(401),
            replayed=Right(200, ("identify", "identify")),
            unknown=Right(200, kept=("unknown_type",)),
            but=MENDABLE,
        ),
        bonds=frozenset({"anonymous_id user_id", "email user_id", "phone user_id"}),
    ),
    "pages, beacon": Collector(
        lambda: beacon(READ),
        lambda: beacon({**READ, "type": "levitated"}),
        raw("/v1/beacon"),
        keyless,
        rights(
            *("article.read",),
            ok=202,
            forged=Right(401),
            replayed=Right(202, ("article.read",)),
            deep=Right(401),
            unknown=Right(202),
            but=MENDABLE,
        ),
    ),
    "pages, open": Collector(
        opening,
        None,
        lambda content: replace(opening(), content=content),
        of_another_site,
        rights(
            *("article.shared",),
            replayed=Right(200, ("article.shared",)),
            unknown="a page that opens says nothing but that",
            but=MENDABLE,
        ),
    ),
    "mini-program, login": Collector(
        lambda: mini("login", code="<code>"),
        None,
        raw("/mini/main/login"),
        lambda _: [mini("login", code="made up"), mini("login", code=session())],
        rights(
            *("identify",),
            forged=Right(400),
            replayed=Right(400),
            twice=Right(400),  # WeChat tells whose a code is once
            unknown="who logs in says nothing but that",
            but=MENDABLE,
        ),
        bonds=frozenset({"wechat_openid wechat_unionid", "anonymous_id wechat_unionid"}),
        repeats=False,
        needs="wechat",
    ),
    "mini-program, events": Collector(
        mini_read,
        lambda: mini_read("levitated"),
        raw("/mini/main/events"),
        of_another_phone,
        rights("article.read", ok=202, replayed=Right(202, ("article.read",)), but=MENDABLE),
        bonds=frozenset({"wechat_openid wechat_unionid", "anonymous_id wechat_unionid"}),
    ),
    "links, followed": Collector(
        *(get("/s/{follow}"), None, unread(get("/s/{follow}")), guessed, links(302, "sms.clicked")),
        repeats=False,
        needs="database",
    ),
    "links, opened": Collector(
        *(get("/o/{open}.gif"), None, unread(get("/o/{open}.gif")), guessed, links(200, "mail.opened", forged=200)),
        repeats=False,
        needs="database",
    ),
    "links, unsubscribed": Collector(
        lambda: Sent("POST", "/u/{leave}", b"List-Unsubscribe=One-Click"),
        None,
        unread(lambda: Sent("POST", "/u/{leave}")),
        guessed,
        links(200, "sms.opted_out", "consent.withdrawn"),
        repeats=False,
        needs="database",
    ),
    "POST /v1/events": Collector(
        lambda: json("/v1/events", PAID, BEARER),
        lambda: json("/v1/events", {**PAID, "type": "order.levitated"}, BEARER),
        lambda content: replace(json("/v1/events", PAID, BEARER), content=content),
        unauthorised,
        rights(
            *("order.paid",),
            ok=202,
            forged=Right(401),
            replayed=Right(202, ("order.paid",)),
            unknown=Right(400),
            but=MENDABLE,
        ),
        bonds=frozenset({"phone user_id"}),
    ),
}
