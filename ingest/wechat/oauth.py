"""What we ask of WeChat while a visitor waits: who came with a code."""

from collections.abc import Mapping
from typing import Any

import httpx

from core.errors import Unavailable
from ingest.wechat.api import TIMEOUT_SECONDS, said
from ingest.wechat.keeper import App


async def visitor(app: App, code: str) -> Mapping[str, Any]:
    """Return what WeChat says of the visitor of a page who came with *code*: `openid`, `unionid`, `is_snapshotuser`.

    Raises `InvalidEvent` where the code is no good (any more), `Unavailable` where WeChat does not answer.
    """
    asked = {"appid": app.app_id, "secret": app.secret or "", "code": code, "grant_type": "authorization_code"}
    try:
        async with httpx.AsyncClient(base_url=app.api_url, timeout=TIMEOUT_SECONDS) as client:
            return said(await client.get("/sns/oauth2/access_token", params=asked))
    except (httpx.HTTPError, httpx.InvalidURL):  # not shown: the address that was asked has the secret in it
        raise Unavailable("WeChat does not answer") from None
