"""Collecting text messages: `POST /collect/sms/{provider}/{secret}`."""

import hmac
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Request, Response

from core.errors import NotFound
from core.problems import OF_CALLBACKS, raises
from core.raw import RawRoute
from ingest.callback import Platform
from ingest.intake import Intake
from ingest.sms.account import SmsAccount
from ingest.sms.aliyun import Aliyun
from ingest.sms.tencent import Tencent
from ingest.sms.twilio import Twilio
from ingest.taking import take


def routes(intake: Intake, accounts: Mapping[str, SmsAccount], public_url: str) -> APIRouter:
    """Return the routes of all accounts; the secret in the address says whose it is."""
    router = APIRouter(route_class=RawRoute, default_response_class=Response, tags=["collecting"])

    @router.post("/collect/sms/{provider}/{secret}")
    @raises(*OF_CALLBACKS, "invalid_form")
    async def collect_sms(request: Request) -> Response:
        """Take what Aliyun, Tencent Cloud or Twilio tells of texts, and replies to them. Answers as each of them wants."""
        platform = _found(accounts, **request.path_params)
        return await take(platform, request, intake, public_url)

    return router


def _found(accounts: Mapping[str, SmsAccount], provider: str, secret: str) -> Platform:
    """Return the account of *provider* whose *secret* it is, by comparing with all of them in full."""
    found = [
        _PLATFORMS[account.provider](name, account)
        for name, account in accounts.items()
        if hmac.compare_digest(account.secret.encode(), secret.encode()) and account.provider == provider
    ]
    if not found:
        raise NotFound("nothing is collected at this address")
    return found[0]


_PLATFORMS: Mapping[str, Callable[[str, SmsAccount], Platform]] = {
    "aliyun": Aliyun,
    "tencent": Tencent,
    "twilio": Twilio,
}
