"""The callbacks of official accounts and mini-programs: `/collect/wechat/{account}`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from core.errors import InvalidEvent
from core.problems import OF_CALLBACKS, raises
from core.raw import RawRoute
from ingest.account import Account
from ingest.callback import Accounted, Answer, Callback, Document
from ingest.intake import Intake
from ingest.proof import text
from ingest.taking import known, received, respond, take
from ingest.tokens import Tokens
from ingest.wechat import envelope, events, markup
from ingest.wechat.crypto import EncodedKey, Secretbox
from ingest.wechat.events import Whose


class WeChatAccount(Account):
    """An official account or mini-program. With an *encoding_aes_key* only what is encrypted is believed.

    *open_platform* is the scope of its unionids: the same word for all accounts bound to one Open Platform account.
    *original_id* (`gh_…`) is what its callbacks are addressed to: with it nothing of another account is taken for its own.
    """

    app_id: str
    original_id: str = ""
    token: Annotated[str, Field(min_length=3, max_length=32)]
    encoding_aes_key: EncodedKey | None = None
    secret: str | None = None
    open_platform: str = ""
    kind: Literal["official_account", "mini_program"] = "official_account"
    api_url: str = "https://api.weixin.qq.com"


@dataclass(frozen=True)
class WeChat(Accounted[WeChatAccount]):
    """The protocol of the account called *name*; *tokens* are those of our links."""

    tokens: Tokens

    family = "wechat"
    answer = Answer(b"success")

    @cached_property
    def _box(self) -> Secretbox | None:
        encoded = self.account.encoding_aes_key
        return None if encoded is None else Secretbox.of(encoded)

    def greeting(self, callback: Callback) -> bytes:
        """Return what proves to the platform that the address is ours. Raises `Forbidden` unless it is who asks."""
        envelope.check(callback, self.account.token, "signature")
        return callback.query.get("echostr", "").encode()

    def proven(self, callback: Callback) -> bytes:
        """Return what the platform says: decrypted, where the account has a key, and never what stands in clear beside it."""
        token = self.account.token
        if self._box is None:
            envelope.check(callback, token, "signature")
            return callback.body
        encrypted = envelope.sealed(callback.body)
        envelope.check(callback, token, "msg_signature", encrypted)
        return self._box.opened(encrypted, {self.account.app_id})

    def documents(self, content: bytes, _: Callback) -> Sequence[Document]:
        """Return the events that *content* tells. Raises `InvalidEvent` where it is addressed to another account."""
        told, account = markup.fields(content), self.account
        if account.original_id and text(told, "ToUserName") != account.original_id:
            raise InvalidEvent("another_account", "it is addressed to another account", "/ToUserName")
        return events.documents(told, Whose(account.kind, account.app_id, self.tokens, account.open_platform))


def routes(intake: Intake, accounts: Mapping[str, WeChatAccount], public_url: str, tokens: Tokens) -> APIRouter:
    """Return the addresses to paste into the platform's console, one for each account; *tokens* are those of our links."""
    platforms = {name: WeChat(name, account, tokens) for name, account in accounts.items()}
    router = APIRouter(
        prefix="/collect/wechat", tags=["collecting"], route_class=RawRoute, default_response_class=Response
    )

    @router.get("/{account}")
    @raises(*OF_CALLBACKS)
    async def check_wechat_address(request: Request) -> Response:
        """Answer the platform's check of the address."""
        callback = await received(request, intake, public_url)
        return respond(Answer(known(platforms, request.path_params["account"]).greeting(callback)))

    @router.post("/{account}")
    @raises(*OF_CALLBACKS, "invalid_xml")
    async def collect_wechat(request: Request) -> Response:
        """Take one callback; `success` means that the log has it."""
        return await take(known(platforms, request.path_params["account"]), request, intake, public_url)

    return router
