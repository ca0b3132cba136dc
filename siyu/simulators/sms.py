"""Providers of text messages as they send: Aliyun, Tencent Cloud, and Twilio, who signs."""

import hmac
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson

from ingest.sms.account import SmsAccount
from siyu.simulators.posting import Post, Sleep, posted
from siyu.simulators.sending import Check, Simulator

# After which waits each sends again. Tencent says how often, not when; Twilio does only where the address asks for it.
WAITS_SECONDS: Mapping[str, Sequence[float]] = {"aliyun": (60.0, 300.0, 600.0), "tencent": (60.0, 60.0), "twilio": ()}
PHONE = "13912345678"

_ELSEWHERE = "0" * 32
_ANSWERS = {"aliyun": '{"code":0,"msg":"接收成功"}', "tencent": '{"result":0,"errmsg":"OK"}', "twilio": "<Response/>"}


def simulator(account: SmsAccount, public_url: str = "", sleep: Sleep = time.sleep) -> Simulator:
    """Return the provider of *account*; *public_url* is the one that Twilio was given, if it is not where it sends."""
    provider = account.provider
    path = f"/collect/sms/{provider}/{account.secret}"

    def provider_sends(client: httpx.Client) -> Iterator[Check]:
        if provider == "twilio":
            url = f"{public_url or client.base_url}".rstrip("/") + path
            posts = [
                Post(name, partial(_form, account.auth_token, url, form), content=_ANSWERS[provider])
                for name, form in _TWILIO.items()
            ]
            posts.append(Post("signed by another", partial(_form, "another", url, _TWILIO["reply"]), 403))
        else:
            told = _ALIYUN if provider == "aliyun" else _TENCENT
            posts = [Post(name, partial(_json, said), content=_ANSWERS[provider]) for name, said in told.items()]
        yield from posted(client, path, posts, WAITS_SECONDS[provider], sleep)
        elsewhere = Post("another address", partial(_json, []), 404)
        yield from posted(client, f"/collect/sms/{provider}/{_ELSEWHERE}", [elsewhere], ())

    return provider_sends


def _json(said: Any) -> tuple[bytes, Mapping[str, str]]:
    return orjson.dumps(said), {"Content-Type": "application/json;charset=utf-8"}


def _form(token: str, url: str, form: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    text = url + "".join(name + form[name] for name in sorted(form))
    signature = b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
    return urlencode(form).encode(), headers


_ALIYUN: Mapping[str, Any] = {
    "reports": [
        {
            "phone_number": phone,
            "send_time": "2026-11-03 20:40:00",
            "report_time": "2026-11-03 20:41:07",
            "success": success,
            "err_code": code,
            "err_msg": "",
            "sms_size": "1",
            "biz_id": "900619746936498440^0",
            "out_id": "67890",
        }
        for phone, success, code in ((PHONE, True, "DELIVERED"), ("1381111****", False, "MOBILE_NOT_ON_SERVICE"))
    ],
    "replies": [
        {
            "phone_number": PHONE,
            "send_time": "2026-11-03 20:50:00",
            "content": content,
            "sign_name": "签名",
            "dest_code": "1069",
            "sequence_id": number,
        }
        for number, content in ((1234567890, "什么时候开始?"), (1234567891, "R"))
    ],
}
_TENCENT: Mapping[str, Any] = {
    "reports": [
        {
            "user_receive_time": "2026-11-03 20:41:07",
            "nationcode": "86",
            "mobile": PHONE,
            "report_status": status,
            "errmsg": code,
            "description": "",
            "sid": f"2033:{code}",
            "ext": "67890",
        }
        for status, code in (("SUCCESS", "DELIVRD"), ("FAIL", "UNDELIV"))
    ],
    "reply": {"extend": "", "mobile": PHONE, "nationcode": "86", "sign": "签名", "text": "退订", "time": 1793710867},
}
_SENT = {"MessageSid": "SM01", "SmsSid": "SM01", "AccountSid": "AC01", "ApiVersion": "2010-04-01"}
_CAME = {"MessageSid": "SM02", "SmsSid": "SM02", "AccountSid": "AC01", "SmsStatus": "received", "NumMedia": "0"}
_TWILIO: Mapping[str, Mapping[str, str]] = {
    # Out of order, as they come.
    **{
        status: {**_SENT, "MessageStatus": status, "SmsStatus": status, "To": f"+86{PHONE}", "From": "+14155550100"}
        for status in ("queued", "delivered", "sent")
    },
    "reply": {**_CAME, "From": f"+86{PHONE}", "To": "+14155550100", "Body": "你好 & hello"},
    "opt-out": {
        **_CAME,
        "MessageSid": "SM03",
        "From": f"+86{PHONE}",
        "To": "+14155550100",
        "Body": "Stop",
        "OptOutType": "STOP",
    },
}
