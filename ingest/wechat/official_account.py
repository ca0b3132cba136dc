"""The callbacks of official accounts and mini-programs: `/collect/wechat/{account}`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from core.errors import Forbidden, InvalidEvent, NotFound
from ingest.account import Account
from ingest.callback import Answer, Callback, Document
from ingest.http import RawRoute
from ingest.intake import Intake
from ingest.proof import check_fresh
from ingest.taking import received, respond, take
from ingest.wechat import events, markup
from ingest.wechat.crypto import ENCODED_KEY_LENGTH, Secretbox, is_signed
from ingest.wechat.events import Whose

# A callback that is tried again bears the time of the first try.
STALE_MAX = timedelta(minutes=10)


class WeChatAccount(Account):
    """An official account or mini-program. With an *encoding_aes_key* only what is encrypted is believed.

    *open_platform* is the scope of its unionids: the same word for all accounts bound to one Open Platform account.
    """

    app_id: str
    token: Annotated[str, Field(min_length=3, max_length=32)]
    encoding_aes_key: Annotated[
        str | None, Field(min_length=ENCODED_KEY_LENGTH, max_length=ENCODED_KEY_LENGTH, pattern=r"^[A-Za-z0-9+/]+$")
    ] = None
    secret: str | None = None
    open_platform: str = ""
    kind: Literal["official_account", "mini_program"] = "official_account"
    api_url: str = "https://api.weixin.qq.com"


@dataclass(frozen=True)
class WeChat:
    """The protocol of the account called *name*."""

    name: str
    account: WeChatAccount

    answer = Answer(b"success")

    @property
    def source(self) -> str:
        """As which source it sends."""
        return f"wechat:{self.name}"

    @cached_property
    def _box(self) -> Secretbox | None:
        encoded = self.account.encoding_aes_key
        return None if encoded is None else Secretbox.of(encoded)

    def greeting(self, callback: Callback) -> bytes:
        """Return what proves to the platform that the address is ours. Raises `Forbidden` unless it is who asks."""
        demand_fresh(callback)
        self._signed(callback, "signature")
        return callback.query.get("echostr", "").encode()

    def proven(self, callback: Callback) -> bytes:
        """Return what the platform says: decrypted, where the account has a key, and never what stands in clear beside it."""
        demand_fresh(callback)
        if self._box is None:
            self._signed(callback, "signature")
            return callback.body
        encrypted = _encrypted(callback.body)
        self._signed(callback, "msg_signature", encrypted)
        return self._box.opened(encrypted, {self.account.app_id})

    def documents(self, content: bytes, _: Callback) -> Sequence[Document]:
        """Return the events that *content* tells."""
        account = self.account
        return events.documents(markup.fields(content), Whose(account.kind, account.app_id, account.open_platform))

    def _signed(self, callback: Callback, name: str, *more: str) -> None:
        query = callback.query
        parts = (self.account.token, query.get("timestamp", ""), query.get("nonce", ""), *more)
        if not is_signed(query.get(name, ""), *parts):
            raise Forbidden("the signature is not that of the account")


def demand_fresh(callback: Callback) -> None:
    """Raise `Forbidden` for a callback whose time is not now, as far as clocks and further tries allow."""
    check_fresh(callback.query.get("timestamp", ""), callback.received_at, STALE_MAX)


def routes(intake: Intake, accounts: Mapping[str, WeChatAccount], public_url: str) -> APIRouter:
    """Return the addresses to paste into the platform's console, one for each account."""
    platforms = {name: WeChat(name, account) for name, account in accounts.items()}
    router = APIRouter(prefix="/collect/wechat", tags=["collecting"], route_class=RawRoute)

    @router.get("/{account}")
    async def check_wechat_address(request: Request) -> Response:
        """Answer the platform's check of the address."""
        callback = await received(request, intake, public_url)
        return respond(Answer(_known(platforms, request).greeting(callback)))

    @router.post("/{account}")
    async def collect_wechat(request: Request) -> Response:
        """Take one callback; `success` means that the log has it."""
        return await take(_known(platforms, request), request, intake, public_url)

    return router


def _known(platforms: Mapping[str, WeChat], request: Request) -> WeChat:
    name = request.path_params["account"]
    if name not in platforms:
        raise NotFound("there is no such account")
    return platforms[name]


def _encrypted(body: bytes) -> str:
    try:
        return markup.text(markup.fields(body), "Encrypt")
    except InvalidEvent:
        raise Forbidden("the callback is not encrypted") from None
