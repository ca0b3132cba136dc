"""Providers of text messages as they send: Aliyun, Tencent Cloud, and Twilio, who signs."""

import hmac
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson

from ingest.sms.account import SmsAccount
from siyu.simulators.sending import Accepts, Check, Simulator, check, deliver

# After which waits each sends again. Tencent says how often, not when; Twilio does only where the address asks for it.
ALIYUN_WAITS_SECONDS = (60.0, 300.0, 600.0)
TENCENT_WAITS_SECONDS = (60.0, 60.0)
TWILIO_WAITS_SECONDS = ()

PHONE = "13912345678"
Sleep = Callable[[float], None]


def simulator(account: SmsAccount, public_url: str = "", sleep: Sleep = time.sleep) -> Simulator:
    """Return the provider of *account*; *public_url* is the one that Twilio was given, if it is not where it sends."""
    path = f"/collect/sms/{account.provider}/{account.secret}"
    match account.provider:
        case "aliyun":
            return lambda client: _aliyun(client, path, sleep)
        case "tencent":
            return lambda client: _tencent(client, path, sleep)
        case "twilio":
            return lambda client: _twilio(client, path, account.auth_token, public_url, sleep)


def _aliyun(client: httpx.Client, path: str, sleep: Sleep) -> Iterator[Check]:
    expected = {"code": 0, "msg": "接收成功"}
    for name, said in _ALIYUN.items():
        answer = deliver(client, partial(_json, client, path, said), _is_json(expected), ALIYUN_WAITS_SECONDS, sleep)
        yield check(name, answer, "200, code 0", _is_json(expected))
    yield _refused(client, f"/collect/sms/aliyun/{'0' * 32}")


def _tencent(client: httpx.Client, path: str, sleep: Sleep) -> Iterator[Check]:
    expected = {"result": 0, "errmsg": "OK"}
    for name, said in _TENCENT.items():
        answer = deliver(client, partial(_json, client, path, said), _is_json(expected), TENCENT_WAITS_SECONDS, sleep)
        yield check(name, answer, "200, result 0", _is_json(expected))
    yield _refused(client, f"/collect/sms/tencent/{'0' * 32}")


def _twilio(client: httpx.Client, path: str, token: str, public_url: str, sleep: Sleep) -> Iterator[Check]:
    url = f"{(public_url or str(client.base_url)).rstrip('/')}{path}"
    for name, form in _TWILIO.items():
        signature = _signature(token, url, form)
        answer = deliver(
            client,
            partial(_form, client, path, form, signature),
            _is_twiml,
            TWILIO_WAITS_SECONDS,
            sleep,
        )
        yield check(name, answer, "200, TwiML", _is_twiml)
    form = _TWILIO["reply"]
    forged = client.send(_form(client, path, form, _signature("another", url, form)))
    yield check("signed by another", forged, "403", lambda answer: answer.status_code == 403)


def _refused(client: httpx.Client, path: str) -> Check:
    answer = client.send(_json(client, path, []))
    return check("another address", answer, "404", lambda answer: answer.status_code == 404)


def _json(client: httpx.Client, path: str, said: Any) -> httpx.Request:
    return client.build_request(
        "POST", path, content=orjson.dumps(said), headers={"Content-Type": "application/json;charset=utf-8"}
    )


def _form(client: httpx.Client, path: str, form: Mapping[str, str], signature: str) -> httpx.Request:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
    return client.build_request("POST", path, content=urlencode(form), headers=headers)


def _signature(token: str, url: str, form: Mapping[str, str]) -> str:
    text = url + "".join(name + form[name] for name in sorted(form))
    return b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


def _is_json(expected: Mapping[str, Any]) -> Accepts:
    def accepts(answer: httpx.Response) -> bool:
        return answer.status_code == 200 and bool(orjson.loads(answer.content) == expected)

    return accepts


def _is_twiml(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.headers["content-type"].startswith("text/xml")


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
