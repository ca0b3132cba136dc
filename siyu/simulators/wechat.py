"""WeChat as it behaves towards the server of an official account or a mini-program: checks the address, and comes again."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx

from core.clock import Clock, system_clock
from ingest.wechat.envelope import STALE_MAX
from ingest.wechat.official_account import WeChatAccount
from siyu.simulators.posting import Post, Sleep, posted, refused
from siyu.simulators.sealing import Fields, Stamp, json, sealed, xml
from siyu.simulators.sending import Check, Simulator, check

TIMEOUT_SECONDS = 5.0
WAITS_SECONDS = (5.0, 5.0)
STORE_WAITS_SECONDS = (0.0, 0.0, 10.0, 60.0, 300.0, 1_800.0, 3_600.0, 3_600.0, 3_600.0)

_OPENID = "oSimulated0000000000000000001"
_ECHO = "4375120948345356249"


def simulator(name: str, account: WeChatAccount, clock: Clock = system_clock, sleep: Sleep = time.sleep) -> Simulator:
    """Return what pushes to the server of the account called *name*: in safe mode where the account has a key."""

    def run(client: httpx.Client) -> Iterator[Check]:
        client.timeout = httpx.Timeout(TIMEOUT_SECONDS)
        path, at = f"/collect/wechat/{name}", clock()
        yield from _checked_address(client, path, account.token, at)
        story = [_post(account, what, told, at) for what, told in _story(account, at)]
        yield from posted(client, path, [*story, replace(story[-1], name="sends it again")], WAITS_SECONDS, sleep)
        yield from posted(client, path, _attacks(account, at), WAITS_SECONDS, sleep)
        orders = [_post(account, what, told, at) for what, told in _orders(account, at)]
        yield from posted(client, path, orders, STORE_WAITS_SECONDS, sleep)

    return run


def pushed(account: WeChatAccount, told: Fields, at: datetime, is_compatible: bool = False) -> Post:
    """Return the push of *told*: XML to an official account, JSON to a mini-program and of its shop.

    In compatible mode (*is_compatible*) what is said stands beside what is sealed, in clear.
    """
    written = json if account.kind == "mini_program" or "order_info" in told else xml
    name, stamp = str(told.get("Event") or told["MsgType"]), Stamp.of(account.token, at)
    query = {**stamp.signed("signature"), "openid": str(told["FromUserName"])}
    body = told
    if account.encoding_aes_key is not None:
        encrypted = sealed(account.encoding_aes_key, written(told), account.app_id)
        query |= {"encrypt_type": "aes", **stamp.signed("msg_signature", encrypted)}
        body = {**(told if is_compatible else {"ToUserName": told["ToUserName"]}), "Encrypt": encrypted}
    content, kind = written(body), "application/json" if written is json else "text/xml"
    return Post(name, lambda: (content, {"Content-Type": kind}), content="success", query=query)


def _post(account: WeChatAccount, name: str, told: Fields, at: datetime) -> Post:
    return replace(pushed(account, told, at, is_compatible=name == "in compatible mode"), name=name)


def _checked_address(client: httpx.Client, path: str, token: str, at: datetime) -> Iterator[Check]:
    signed = {**Stamp.of(token, at).signed("signature"), "echostr": _ECHO}
    answer = client.get(path, params=signed)
    yield check("checks the address", answer, _ECHO, lambda it: it.status_code == 200 and it.text == _ECHO)
    answer = client.get(path, params=signed | {"nonce": "another"})
    yield check("another checks the address", answer, "403", lambda it: it.status_code == 403)


def _attacks(account: WeChatAccount, at: datetime) -> Iterator[Post]:
    told = _told(account, at, Event="subscribe", FromUserName="oForged")
    another = account.model_copy(update={"token": "another"})
    yield refused("signed by another", pushed(another, told, at))
    stale = at - STALE_MAX - timedelta(minutes=1)
    yield refused("replays what is old", pushed(account, told, stale))
    if account.encoding_aes_key is not None:
        in_clear = account.model_copy(update={"encoding_aes_key": None})
        yield refused("says it in clear", pushed(in_clear, told, at))
        sealed_before = pushed(account, _told(account, at, Event="subscribe"), at)
        other = pushed(account, told, at)
        yield refused("says something else", replace(other, query=sealed_before.query))


def _told(account: WeChatAccount, at: datetime, **fields: Any) -> dict[str, Any]:
    return {
        "ToUserName": account.original_id or "gh_simulated000",
        "FromUserName": _OPENID,
        "CreateTime": int(at.timestamp()),
        "MsgType": "event",
        **fields,
    }


def _story(account: WeChatAccount, at: datetime) -> list[tuple[str, Fields]]:
    number = int(at.timestamp())
    events = _OFFICIAL_ACCOUNT if account.kind == "official_account" else _MINI_PROGRAM
    told: list[tuple[str, Fields]] = [(name, _told(account, at, Event=name, **more)) for name, more in events.items()]
    for place, (kind, more) in enumerate(_MESSAGES.items()):
        told.append((kind, _told(account, at, MsgType=kind, MsgId=number * 1_000_000_000 + place, **more)))
    if account.encoding_aes_key is not None:
        told.append(("in compatible mode", _told(account, at, Event="user_info_modified", OpenID=_OPENID)))
    told.append(("tomorrow's event", _told(account, at, Event="invented_tomorrow", Detail="unknown")))
    if account.kind == "official_account":
        told.append(("unsubscribe", _told(account, at, Event="unsubscribe", EventKey="")))
    return told


def _orders(account: WeChatAccount, at: datetime) -> list[tuple[str, Fields]]:
    order = {"order_id": 3_705_115_058_471_208_928 + int(at.timestamp()) % 1_000, "pay_time": int(at.timestamp())}
    return [(name, _told(account, at, Event=name, order_info=order)) for name in _STORE]


_STORE = tuple(
    f"channels_ec_order_{state}"
    for state in ("new", "cancel", "pay", "wait_shipping", "deliver", "confirm", "settle", "ext_info_update")
)
_CODE = {"ScanType": "qrcode", "ScanResult": "https://siyu.example/a"}
_TEMPLATE = {"TemplateId": "VRR0UEO9VJOLs0MHlU0OilqX6MVFDwH3_3gz3Oc0NIc"}
_TEMPLATES: Mapping[str, Fields] = {
    "subscribe_msg_popup_event": {
        "SubscribeMsgPopupEvent": {
            "List": [
                {**_TEMPLATE, "SubscribeStatusString": "accept", "PopupScene": 0},
                {"TemplateId": "another", "SubscribeStatusString": "reject", "PopupScene": 0},
            ]
        }
    },
    "subscribe_msg_change_event": {
        "SubscribeMsgChangeEvent": {"List": [{**_TEMPLATE, "SubscribeStatusString": "reject"}]}
    },
    "subscribe_msg_sent_event": {
        "SubscribeMsgSentEvent": {"List": [{**_TEMPLATE, "MsgID": "1700827132819554304", "ErrorCode": 0}]}
    },
}
# The platform is who sends these; whom they are about stands within.
_AUTHORISATIONS: Mapping[str, Fields] = {
    name: {"FromUserName": "platform", "OpenID": _OPENID, "UnionID": "uSimulated1", "AppID": "wx1", "RevokeInfo": "201"}
    for name in ("user_info_modified", "user_authorization_revoke", "user_authorization_cancellation")
}
_OFFICIAL_ACCOUNT: Mapping[str, Fields] = {
    "subscribe": {"EventKey": "qrscene_simulated", "Ticket": "TICKET"},
    "SCAN": {"EventKey": "simulated", "Ticket": "TICKET"},
    "LOCATION": {"Latitude": 23.137466, "Longitude": 113.352425, "Precision": 119.385040},
    "CLICK": {"EventKey": "V1001"},
    "VIEW": {"EventKey": "https://siyu.example/a?b=1&c=2", "MenuId": 401_230_001},
    "view_miniprogram": {"EventKey": "pages/index/index", "MenuId": 401_230_002},
    "scancode_push": {"EventKey": "scan1", "ScanCodeInfo": _CODE},
    "scancode_waitmsg": {"EventKey": "scan2", "ScanCodeInfo": _CODE},
    "TEMPLATESENDJOBFINISH": {"MsgID": 200_163_836, "Status": "failed:user block"},
    "MASSSENDJOBFINISH": {"FromUserName": "mphelper", "MsgID": 1_000_001, "Status": "send success", "SentCount": 75},
    "PUBLISHJOBFINISH": {
        "FromUserName": "mphelper",
        "PublishEventInfo": {"publish_id": "2247503051", "publish_status": 0, "article_id": "b5O2OUs25HBxRceL7hfReg"},
    },
    **_TEMPLATES,
    **_AUTHORISATIONS,
}
_MINI_PROGRAM: Mapping[str, Fields] = {
    "user_enter_tempsession": {"SessionFrom": "simulated"},
    **_TEMPLATES,
    **_AUTHORISATIONS,
}
_MESSAGES: Mapping[str, Fields] = {
    "text": {"Content": "什么时候开始? <b> & ]] >"},
    "image": {"PicUrl": "https://siyu.example/p.jpg", "MediaId": "m1"},
    "voice": {"MediaId": "m2", "Format": "amr"},
    "video": {"MediaId": "m3", "ThumbMediaId": "t3"},
    "location": {"Location_X": 23.134521, "Location_Y": 113.358803, "Scale": 20, "Label": "位置"},
    "link": {"Title": "t", "Description": "d", "Url": "https://siyu.example/a"},
    "miniprogrampage": {"Title": "t", "AppId": "wx1", "PagePath": "pages/index"},
}
