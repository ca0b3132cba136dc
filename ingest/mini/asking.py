"""What we ask of WeChat's API for a mini-program while a reader waits: who came with a code, and the phone that he shows."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from core.errors import InvalidEvent, Unavailable
from ingest.mini.account import MiniAccount
from ingest.proof import part, text
from ingest.wechat.api import Rejected, asked_while_waiting
from ingest.wechat.keeper import Api

CODE_ERRORS = frozenset({40029, 40163, 40226, 41008})  # made up or old, used, of somebody whom WeChat blocks, none

_log = structlog.get_logger()


async def logged_in(account: MiniAccount, code: str) -> Mapping[str, Any]:
    """Return whom *code* of `wx.login` stands for: `openid`, `session_key`, and `unionid` where WeChat tells it.

    Raises `InvalidEvent` where the code is no good (any more), `Unavailable` where WeChat does not say.
    """
    asked = {"appid": account.app_id, "secret": account.secret, "js_code": code, "grant_type": "authorization_code"}
    with _about_a_code():
        told = await asked_while_waiting(account.api_url, "/sns/jscode2session", asked)
    if not text(told, "openid"):
        raise Unavailable("WeChat answers in an unknown way")
    return told


async def phone(api: Api, code: str) -> Mapping[str, Any]:
    """Return the `phone_info` for which *code* of a `getPhoneNumber` button stands; raises like `logged_in`."""
    with _about_a_code():
        told = await asyncio.to_thread(api.ask, "POST", "/wxa/business/getuserphonenumber", None, {"code": code})
    return part(told, "phone_info")


@contextmanager
def _about_a_code() -> Iterator[None]:
    try:
        yield
    except Rejected as error:
        if error.errcode in CODE_ERRORS:
            raise InvalidEvent("invalid_code", "WeChat does not know this code, or not any more", "/code") from None
        _log.warning("wechat.refused", errcode=error.errcode)  # of the account, or of WeChat: the code may be good
        raise Unavailable("WeChat refused it") from None
