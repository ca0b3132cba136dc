"""What we ask of WeChat while a visitor waits: who came with a code."""

from collections.abc import Mapping
from typing import Any

from ingest.wechat.api import asked_while_waiting
from ingest.wechat.keeper import App


async def visitor(app: App, code: str) -> Mapping[str, Any]:
    """Return what WeChat says of the visitor of a page who came with *code*: `openid`, `unionid`, `is_snapshotuser`.

    Raises `InvalidEvent` where the code is no good (any more), `Unavailable` where WeChat does not answer.
    """
    asked = {"appid": app.app_id, "secret": app.secret or "", "code": code, "grant_type": "authorization_code"}
    return await asked_while_waiting(app.api_url, "/sns/oauth2/access_token", asked)
