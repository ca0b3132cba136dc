"""What pages ask and tell: `/siyu.js`, `/v1/beacon` and `/v1/pages/…`."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core.errors import Forbidden, InvalidEvent, NotFound, Unavailable
from core.event import first_fault
from core.problems import OF_BODIES, OF_EVENTS, OF_FIELDS, raises
from core.raw import RawRoute
from ingest import body
from ingest.account import Name
from ingest.auth import FindKey, writer
from ingest.http import collected
from ingest.intake import Intake, sender
from ingest.pages.account import PagesAccount, with_parameter
from ingest.pages.oauth import Journey, OAuth
from ingest.pages.scripts import script, served
from ingest.pages.shares import Shares, shared
from ingest.pages.signature import Moment, configuration
from ingest.taking import known
from ingest.wechat.keeper import Keeper, page_ticket
from ingest.wechat.oauth import visitor

OPENING_BYTES_MAX = 16 << 10

Text = Annotated[str, StringConstraints(max_length=2_048)]


class Opening(BaseModel):
    """What a page says when it opens: in which browser, where, which article, and by whose link one came.

    *claim* is what it brings from WeChat.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account: Name
    write_key: Annotated[Text, Field(alias="writeKey")]
    anonymous_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    url: Text
    article: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    came_by: Annotated[str, StringConstraints(max_length=256)] | None = None
    claim: Annotated[str, StringConstraints(max_length=4_096)] | None = None


@dataclass(frozen=True, slots=True)
class Pages:
    """All sites of an installation."""

    intake: Intake
    find_key: FindKey
    accounts: Mapping[str, PagesAccount]
    shares: Shares
    tickets: Mapping[str, Callable[[], Awaitable[str]]]
    public_url: str

    async def open(self, opening: Opening, callback_url: str) -> Mapping[str, object]:
        """Note whose link the browser has from now on, and who a visitor is, if he brings it; return what the page is to do.

        Raises `Unavailable` when the log has not both: the page then keeps the address that it has.
        """
        await writer(opening.write_key, self.find_key)
        now = self.intake.clock()
        oauth = self.oauth(opening.account)
        token = self.shares.own(opening.article, opening.anonymous_id, opening.account)
        came_by = opening.came_by if opening.came_by != token else None
        parent = came_by if came_by and self.shares.are_ours(came_by, opening.article) else None
        own = shared(opening.account, opening.article, opening.anonymous_id, token, parent, now)
        who = oauth.identified(opening.claim, opening.anonymous_id, now) if opening.claim else None
        documents = [own, who] if who else [own]
        await self.intake.take_all(documents, sender(f"pages:{opening.account}"), b"")
        address = oauth.address(Journey(opening.anonymous_id, opening.url), callback_url, now)
        return {"token": token, "oauth": None if who else address, "identified": who is not None}

    def account(self, name: str) -> PagesAccount:
        """Return the site called *name*; raises `NotFound`."""
        return known(self.accounts, name, "site")

    def oauth(self, name: str) -> OAuth:
        """Return the way to WeChat of the site called *name*; raises `NotFound`."""
        return OAuth(self.shares.signing_key, name, self.account(name))

    async def back(self, name: str, query: Mapping[str, str]) -> str:
        """Return the page to which a visitor who comes from WeChat goes back, with a claim where he has one.

        Whatever went wrong at WeChat, he gets to read what he came for. Raises `InvalidEvent` where nobody knows what that is.
        """
        oauth, now, begin = self.oauth(name), self.intake.clock(), query.get("begin", "")
        journey = oauth.journey(begin, now)
        if journey is None:
            raise InvalidEvent("unknown_journey", "we sent nobody to WeChat with this, or it is too long ago", "/begin")
        code = query.get("code")
        if not code or not oauth.is_state_of(query.get("state", ""), begin):
            return journey.url
        try:
            claim = oauth.claim(journey, await visitor(oauth.account, code), now)
        except (InvalidEvent, Unavailable):
            claim = None
        return with_parameter(journey.url, "siyu_claim", claim) if claim else journey.url

    async def signed(self, name: str, url: str) -> Mapping[str, str | int]:
        """Return what the page at *url* shows to WeChat's JS-SDK. Raises `Forbidden` for a page of somebody else's."""
        account = self.account(name)
        if name not in self.tickets:
            raise NotFound("this site has no official account")
        if not account.has_page(url):
            raise Forbidden("this is no page of the site")
        moment = Moment(secrets.token_hex(8), int(self.intake.clock().timestamp()))
        return configuration(account.app_id, await self.tickets[name](), moment, url)


def pages(
    intake: Intake,
    find_key: FindKey,
    accounts: Mapping[str, PagesAccount],
    signing_key: bytes,
    public_url: str,
    keeper: Keeper,
) -> Pages:
    """Return all sites of an installation, each with the ticket that signs its pages."""
    tickets = {name: page_ticket(keeper, one) for name, one in accounts.items() if one.asks_wechat}
    return Pages(intake, find_key, accounts, Shares(signing_key), tickets, public_url)


def routes(sites: Pages) -> APIRouter:
    """Return the routes of all sites."""
    router = APIRouter(route_class=RawRoute, tags=["collecting"])

    @router.get("/siyu.js", response_class=Response)
    async def serve_page_script(request: Request) -> Response:
        """The script that pages include."""
        return served(script("siyu.js"), request)

    @router.post("/v1/beacon", status_code=202)
    @raises(*OF_EVENTS)
    async def collect_beacon(request: Request) -> Response:
        """Take what a page's script tells: the same as `POST /v1/events`, where a link that is not ours is struck out."""
        answer = await collected(request, sites.intake, sites.find_key, sites.shares.amended)
        return _readable(answer, request, _hosts(sites))

    @router.options("/v1/beacon", status_code=204)
    async def allow_beacon(request: Request) -> Response:
        """Tell a browser that pages of ours may send JSON."""
        allowed = {"Access-Control-Allow-Headers": "Content-Type", "Access-Control-Max-Age": "86400"}
        return _readable(Response(status_code=204, headers=allowed), request, _hosts(sites))

    @router.post("/v1/pages/open")
    @raises(*OF_BODIES, *OF_FIELDS, "not_found", "forbidden", "unavailable", "overloaded")
    async def open_page(request: Request) -> Response:
        """Say whose link a page's visitor has, and where WeChat tells who he is."""
        opening = _opening(await body.read(request, OPENING_BYTES_MAX))
        hosts = sites.account(opening.account).hosts
        if request.headers.get("origin") not in hosts:
            raise Forbidden("this is no page of the site")
        callback_url = f"{_own_url(sites, request)}/v1/pages/oauth/{opening.account}"
        return _readable(_json(await sites.open(opening, callback_url)), request, hosts)

    @router.get("/v1/pages/oauth/{account}", response_class=RedirectResponse, status_code=302)
    @raises("not_found", "unknown_journey", "unavailable", "forbidden")
    async def return_from_wechat(request: Request) -> Response:
        """Send a visitor who comes from WeChat back to his page."""
        return RedirectResponse(await sites.back(request.path_params["account"], request.query_params), 302)

    @router.get("/v1/pages/signature")
    @raises("not_found", "forbidden", "unavailable")
    async def sign_page(request: Request) -> Response:
        """Sign a page for WeChat's JS-SDK: `account` and `url` say which."""
        name = request.query_params.get("account", "")
        signed = await sites.signed(name, request.query_params.get("url", ""))
        return _readable(_json(signed), request, sites.account(name).hosts)

    @router.get("/MP_verify_{name}.txt", response_class=PlainTextResponse)
    @raises("not_found")
    async def verify_domain(request: Request) -> Response:
        """Prove to WeChat that the domain is the brand's."""
        return PlainTextResponse(_domain_file(sites, request.path_params["name"]))

    return router


def _opening(content: bytes) -> Opening:
    try:
        return Opening.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError:
        raise InvalidEvent("invalid_json", "the body is not JSON in UTF-8") from None
    except ValidationError as error:
        raise first_fault(error) from None


def _own_url(sites: Pages, request: Request) -> str:
    return sites.public_url or str(request.base_url).rstrip("/")


def _hosts(sites: Pages) -> frozenset[str]:
    return frozenset(host for account in sites.accounts.values() for host in account.hosts)


def _readable(answer: Response, request: Request, hosts: frozenset[str]) -> Response:
    """Let the page that asks read *answer*, if it is of *hosts*. A beacon bears cookies, though we read none."""
    origin = request.headers.get("origin", "")
    answer.headers["Vary"] = "Origin"
    if origin in hosts:
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Access-Control-Allow-Credentials"] = "true"
    return answer


def _json(content: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


def _domain_file(sites: Pages, name: str) -> str:
    found = [account.domain_files[name] for account in sites.accounts.values() if name in account.domain_files]
    if not found:
        raise NotFound("there is no such file")
    return found[0]
