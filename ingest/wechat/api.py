"""How WeChat's and WeCom's APIs are asked, and what their refusals mean: both answer 200 with an `errcode`.

Nothing that is raised here shows an address: secrets and tokens stand in them.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from core.errors import InvalidEvent, Unavailable

TIMEOUT_SECONDS = 3.0
Content = Mapping[str, object] | None

_TOKEN_REFUSED = frozenset([40001, 40014, 42001])
# Not for this question but for any: busy, too often, or what the operator has yet to permit in the console.
_NOT_NOW = frozenset([-1, 45009, 45011, 45033, 48001, 48002, 48004, 40164, 50002, 60011, 60020])


class Rejected(InvalidEvent):
    """The platform will not answer this question, today or tomorrow; *errcode* says why."""

    def __init__(self, errcode: int) -> None:
        super().__init__("refused_by_wechat", f"WeChat refused it: {errcode}")
        self.errcode = errcode


class TokenRefused(Rejected):
    """The platform says that the token is not valid, or no more."""


def asked(api_url: str, method: str, path: str, query: Mapping[str, str], content: Content = None) -> Mapping[str, Any]:
    """Return what the API answers.

    Raises `Unavailable` where it does not answer now, `TokenRefused`, and `Rejected` for what it never will.
    """
    try:
        with httpx.Client(base_url=api_url, timeout=TIMEOUT_SECONDS) as client:
            return said(client.request(method, path, params=dict(query), json=content))
    except (httpx.HTTPError, httpx.InvalidURL):
        raise Unavailable("WeChat does not answer") from None


async def asked_while_waiting(api_url: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the same of a GET, without a thread: for what somebody waits for. Raises what `asked` does."""
    try:
        async with httpx.AsyncClient(base_url=api_url, timeout=TIMEOUT_SECONDS) as client:
            return said(await client.get(path, params=dict(query)))
    except (httpx.HTTPError, httpx.InvalidURL):
        raise Unavailable("WeChat does not answer") from None


def said(answer: httpx.Response) -> Mapping[str, Any]:
    """Return what *answer* says; raises what `asked` does."""
    try:
        told = orjson.loads(answer.raise_for_status().content)
    except (httpx.HTTPError, ValueError):
        raise Unavailable("WeChat does not answer") from None
    if not isinstance(told, dict):
        raise Unavailable("WeChat answers in an unknown way")
    errcode = told.get("errcode") or 0
    if not isinstance(errcode, int):
        raise Unavailable("WeChat answers in an unknown way")
    if errcode in _NOT_NOW:
        raise Unavailable(f"WeChat does not answer now: {errcode}")
    if errcode:
        raise (TokenRefused if errcode in _TOKEN_REFUSED else Rejected)(errcode)
    return told
