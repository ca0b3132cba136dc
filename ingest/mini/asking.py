"""What we ask of WeChat's API for a mini-program: who came with a code, and the phone that he shows."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import structlog

from core.errors import InvalidEvent, Unavailable
from ingest.mini.account import MiniAccount
from ingest.proof import part, text

TIMEOUT_SECONDS = 3.0
CODE_ERRORS = frozenset({40029, 40163, 40226, 41008})  # made up or old, used, of somebody whom WeChat blocks, none

AccessToken = Callable[[], Awaitable[str]]
"""Returns the access token of a mini-program. Raises `Unavailable`."""

_log = structlog.get_logger()


async def logged_in(account: MiniAccount, code: str) -> Mapping[str, Any]:
    """Return whom *code* of `wx.login` stands for: `openid`, `session_key`, and `unionid` where WeChat tells it.

    Raises `InvalidEvent` where the code is no good (any more), `Unavailable` where WeChat does not say.
    """
    asked = {"appid": account.app_id, "secret": account.secret, "js_code": code, "grant_type": "authorization_code"}
    said = await _asked(account, "GET", "/sns/jscode2session", asked)
    if not text(said, "openid"):
        raise Unavailable("WeChat answers in an unknown way")
    return said


async def phone(account: MiniAccount, access_token: AccessToken, code: str) -> Mapping[str, Any]:
    """Return the `phone_info` for which *code* of a `getPhoneNumber` button stands; raises like `logged_in`."""
    try:
        token = {"access_token": await access_token()}
    except InvalidEvent:  # of ours, not of what was sent to us
        raise Unavailable("WeChat gives no access token") from None
    said = await _asked(account, "POST", "/wxa/business/getuserphonenumber", token, {"code": code})
    return part(said, "phone_info")


async def _asked(
    account: MiniAccount, method: str, path: str, query: Mapping[str, str], json: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    try:
        async with httpx.AsyncClient(base_url=account.api_url, timeout=TIMEOUT_SECONDS) as client:
            answer = await client.request(method, path, params=query, json=json)
        said = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):  # not shown: the address that was asked has secrets in it
        raise Unavailable("WeChat does not answer") from None
    if not isinstance(said, dict):
        raise Unavailable("WeChat answers in an unknown way")
    _check(said.get("errcode") or 0, path)
    return said


def _check(error: object, path: str) -> None:
    if error in CODE_ERRORS:
        raise InvalidEvent("invalid_code", "WeChat does not know this code, or not any more", "/code")
    if error:  # of the account, or of WeChat: the code may be good
        _log.warning("wechat.refused", path=path, errcode=error if isinstance(error, int) else None)
        raise Unavailable("WeChat refused it")
