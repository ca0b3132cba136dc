"""Collecting clicks on ads: `GET /collect/ads/{account}`."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from core.problems import OF_CALLBACKS, raises
from core.raw import RawRoute
from ingest.ads.account import AdAccount
from ingest.ads.clicks import Clicks
from ingest.intake import Intake
from ingest.taking import known, take


def routes(intake: Intake, accounts: Mapping[str, AdAccount], public_url: str) -> APIRouter:
    """Return the routes of all accounts; the last part of the address is the account's name, not the platform's."""
    platforms = {name: Clicks(name, account) for name, account in accounts.items()}
    router = APIRouter(route_class=RawRoute, default_response_class=Response, tags=["collecting"])

    @router.get("/collect/ads/{account}")
    @raises(*OF_CALLBACKS, "invalid_query")
    async def collect_click(request: Request) -> Response:
        """Take a click that an ad platform reports, whose parameters it has put for the macros in the address."""
        return await take(known(platforms, request.path_params["account"]), request, intake, public_url)

    return router
