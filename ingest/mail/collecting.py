"""The addresses of mail: `/collect/mail/{account}`."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from core.problems import OF_CALLBACKS, raises
from core.raw import RawRoute
from ingest.intake import Intake
from ingest.mail import sns
from ingest.mail.amazon import Certificates, Fetch
from ingest.mail.mailgun import Mailgun, MailgunAccount
from ingest.mail.sendgrid import SendGrid, SendGridAccount
from ingest.mail.ses import Ses, SesAccount
from ingest.taking import known, received, take, taken

MailAccount = Annotated[SendGridAccount | MailgunAccount | SesAccount, Field(discriminator="provider")]
Take = Callable[[Request], Awaitable[Response]]


def routes(intake: Intake, accounts: Mapping[str, MailAccount], public_url: str, fetch: Fetch) -> APIRouter:
    """Return the addresses to paste into the consoles of providers, one for each account; *fetch* asks Amazon."""
    certificates = Certificates(fetch)
    takes = {
        name: _taking(name, account, intake, public_url, certificates, fetch) for name, account in accounts.items()
    }
    router = APIRouter(
        prefix="/collect/mail", tags=["collecting"], route_class=RawRoute, default_response_class=Response
    )

    @router.post("/{account}")
    @raises(*OF_CALLBACKS)
    async def collect_mail(request: Request) -> Response:
        """Take what a provider tells of mail; 200 means that the log has it."""
        return await known(takes, request.path_params["account"])(request)

    return router


def _taking(
    name: str, account: MailAccount, intake: Intake, public_url: str, certificates: Certificates, fetch: Fetch
) -> Take:
    match account:
        case SendGridAccount():
            return partial(take, SendGrid(name, account), intake=intake, public_url=public_url)
        case MailgunAccount():
            return partial(take, Mailgun(name, account), intake=intake, public_url=public_url)
    return partial(_take_from_amazon, name, account, intake, public_url, certificates, fetch)


async def _take_from_amazon(
    name: str,
    account: SesAccount,
    intake: Intake,
    public_url: str,
    certificates: Certificates,
    fetch: Fetch,
    request: Request,
) -> Response:
    """Take a notice; a subscription is confirmed once the log has that it was asked for."""
    callback = await received(request, intake, public_url)
    notice = sns.notice_of(callback.body, account.topic_arn)
    pinned = account.certificate
    certificate = pinned.encode() if pinned else await certificates(sns.certificate_url(notice))
    answer = await taken(Ses(name, account, certificate), callback, intake)
    if account.confirm and (url := sns.confirmation_url(notice)):
        await fetch(url)
    return answer
