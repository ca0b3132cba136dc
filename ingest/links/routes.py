"""Minting links, and what happens when they are followed: `/v1/links`, `/s/{token}`, `/o/{token}.gif`, `/u/{token}`."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from core.channel import Declarations
from core.database import transaction
from core.errors import Forbidden, InvalidEvent, NotFound, Unavailable
from core.event import Trust, Word
from core.identifier import parse
from core.keys import Key
from core.metrics import CLICKS_LOST
from core.problems import OF_IDENTIFIERS, OF_KEYS, raises
from core.raw import RawRoute
from ingest.auth import FindKey, secret_in, writer
from ingest.links import link as links
from ingest.links import store
from ingest.links.link import Link, Signs, Visit
from ingest.pixel import PICTURE, PIXEL
from ingest.spool import Spool
from ingest.tokens import Tokens

RECIPIENTS_MAX = 1_000
PROPERTIES_MAX = 20
LINKS_REMEMBERED_MAX = 50_000
VISITOR_SECONDS = 400 * 86_400  # as long as browsers keep a cookie
HEADER_LENGTH_MAX = 512

SOURCE = "links"
_VISITOR = "siyu_visitor"
_VISITOR_LENGTH = 22
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_ROBOT_HEADERS = {"user_agent": "user-agent", "accept_language": "accept-language"}
_PREFETCHING = ("sec-purpose", "purpose", "x-moz")


class Minting(BaseModel):
    """What is to be minted: one link, or one for each of *recipients* (identifiers as text)."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=links.URL_LENGTH_MAX)]
    channel: Word
    campaign: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    recipients: Annotated[list[str], Field(max_length=RECIPIENTS_MAX)] = []
    sending: Annotated[str | None, Field(max_length=128)] = None
    properties: Annotated[dict[Word, Annotated[str, Field(max_length=256)]], Field(max_length=PROPERTIES_MAX)] = {}
    honeypot: bool = False
    expires_at: AwareDatetime | None = None


class Minted(BaseModel):
    """A link: *url* is to be sent, *open_url* the pixel of a mail, *unsubscribe_url* for its `List-Unsubscribe` header.

    Other messages than mails have no *open_url*.
    A link that was sent to nobody in particular has no *unsubscribe_url*: nobody could be taken off the list by it.
    """

    recipient: str | None
    token: str
    url: str
    open_url: str | None
    unsubscribe_url: str | None


class MintedLinks(BaseModel):
    """All links of one request, in the order of its recipients."""

    data: list[Minted]


class Book:
    """Finds links by their tokens. A link never changes, so one that was found is remembered."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[int, Link] = {}

    async def find(self, tokens: Tokens, token: str, now: datetime | None = None) -> Link:
        """Return the link of *token*. Raises `NotFound` for one that is forged, unknown, or expired *now*."""
        number = tokens.read(token)
        link = None if number is None else self._known.get(number) or await self._read(number)
        if link is None or (now is not None and link.expires_at is not None and link.expires_at <= now):
            raise NotFound("there is no such link")
        return link

    async def _read(self, number: int) -> Link | None:
        link = await asyncio.to_thread(self._stored, number)
        if link is not None:
            if len(self._known) >= LINKS_REMEMBERED_MAX:
                del self._known[next(iter(self._known))]
            self._known[number] = link
        return link

    def _stored(self, number: int) -> Link | None:
        with transaction(self._engine) as connection:
            return store.find(connection, number)


def minting(
    engine: Engine,
    find_key: FindKey,
    signs: Signs,
    public_url: str,
    now: Callable[[], datetime],
    channels: Declarations,
) -> APIRouter:
    """Return the route that mints links, on channels that report that one was followed."""
    router = APIRouter(tags=["links"])

    @router.post("/v1/links", status_code=201)
    @raises(*OF_KEYS, *OF_IDENTIFIERS, "invalid_url", "undeclared_type", "unstorable")
    async def mint_links(
        request: Request,
        wanted: Minting,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> MintedLinks:
        """Mint one link, or one for each recipient; the same again with the same `Idempotency-Key`."""
        key = await writer(secret_in(request.headers) or "", find_key)
        if key.trust is Trust.BROWSER:
            raise Forbidden("a browser's key mints no links")
        drafts = drafted(wanted, channels)
        asked = _asked(key, idempotency_key)
        numbers = await asyncio.to_thread(_written, engine, drafts, asked, now())
        base = public_url or str(request.base_url).rstrip("/")
        return MintedLinks(
            data=[minted(each, number, signs, base) for each, number in zip(drafts, numbers, strict=True)]
        )

    return router


def drafted(wanted: Minting, channels: Declarations) -> Sequence[Link]:
    """Return the links that *wanted* asks for. Raises `InvalidEvent`, which names the field."""
    url = links.demand_target(wanted.url)
    declared = channels.by_name.get(wanted.channel)
    if declared and not declared.reports(links.click_type(wanted.channel)):
        raise InvalidEvent("undeclared_type", "the channel is declared without clicks on links", "/channel")
    recipients: list[str | None] = []
    for place, written in enumerate(wanted.recipients):
        try:
            recipients.append(parse(written).text)
        except InvalidEvent as error:
            raise InvalidEvent(error.code, error.detail, f"/recipients/{place}") from None
    return [
        Link(
            url,
            wanted.channel,
            wanted.campaign,
            recipient,
            wanted.sending,
            wanted.properties,
            wanted.honeypot,
            wanted.expires_at,
        )
        for recipient in recipients or [None]
    ]


def minted(link: Link, number: int, signs: Signs, base: str) -> Minted:
    """Return what a sender gets of *link*."""
    token = signs.follow.written(number)
    return Minted(
        recipient=link.recipient,
        token=token,
        url=f"{base}/s/{token}",
        open_url=f"{base}/o/{signs.open.written(number)}.gif" if link.channel == "mail" else None,
        unsubscribe_url=f"{base}/u/{signs.leave.written(number)}" if link.recipient else None,
    )


def following(book: Book, signs: Signs, spool: Spool, now: Callable[[], datetime]) -> APIRouter:
    """Return the routes that whoever got a link opens. They ask for no key, and tell no more than the link's target."""
    router = APIRouter(tags=["links"], route_class=RawRoute)

    @router.head("/s/{token}", include_in_schema=False)
    @router.get("/s/{token}", status_code=302, response_class=RedirectResponse, responses=_NO_LINK)
    @raises("unavailable")
    async def follow(request: Request) -> Response:
        """Record that the link was followed, and lead to its stored target."""
        token = request.path_params["token"]
        try:
            link = await book.find(signs.follow, token, now())
        except NotFound:
            return _page(_UNKNOWN, 404)
        if request.method == "HEAD":
            return _led(link, token)
        visit = _visit(request, now())
        try:
            await spool.take([links.clicked(link, token, visit)], SOURCE)
        except Unavailable:  # whoever wants to read is not kept from it because we cannot count him
            CLICKS_LOST.inc()
        return _with_cookie(_led(link, token), request, visit)

    @router.get("/o/{token}.gif", response_class=Response, responses=PICTURE)
    @raises("unavailable")
    async def open_mail(request: Request) -> Response:
        """Record that a mail was opened, and answer a picture of one point, whatever the token."""
        token = request.path_params["token"]
        try:
            link = await book.find(signs.open, token, now())
            await spool.take([links.opened(link, token, _visit(request, now()))], SOURCE)
        except NotFound:
            pass
        except Unavailable:
            CLICKS_LOST.inc()
        return Response(PIXEL, media_type="image/gif", headers=_HEADERS)

    @router.get("/u/{token}", response_class=HTMLResponse, responses=_NO_LINK)
    @raises("unavailable")
    async def ask_to_leave(request: Request) -> Response:
        """Show the button; looking at it does nothing, since scanners look at everything."""
        try:
            await book.find(signs.leave, request.path_params["token"])
        except NotFound:
            return _page(_UNKNOWN, 404)
        return _page(_LEAVE, 200)

    @router.post("/u/{token}", response_class=HTMLResponse, responses=_NO_LINK)
    @raises("unavailable", "overloaded")
    async def leave(request: Request) -> Response:
        """Stop sending to this address: by the button, or in one click by RFC 8058. This way out stays when a link expires."""
        token = request.path_params["token"]
        try:
            link = await book.find(signs.leave, token)
        except NotFound:
            return _page(_UNKNOWN, 404)
        await spool.take(links.left(link, token, _visit(request, now())), SOURCE)
        return _page(_GONE, 200)

    return router


def _asked(key: Key, idempotency_key: str | None) -> bytes:
    return hashlib.sha256(f"{key.id}\0{idempotency_key or secrets.token_hex(16)}".encode()).digest()


def _written(engine: Engine, drafts: Sequence[Link], asked: bytes, now: datetime) -> Sequence[int]:
    with transaction(engine) as connection:
        return store.write(connection, drafts, asked, now)


def _visit(request: Request, now: datetime) -> Visit:
    headers = {name: request.headers.get(header, "") for name, header in _ROBOT_HEADERS.items()}
    purpose = next((request.headers[name] for name in _PREFETCHING if name in request.headers), "")
    said = {
        "ip": request.client.host if request.client else "",
        "method": request.method,
        "purpose": purpose,
        **headers,
    }
    context = {name: value[:HEADER_LENGTH_MAX] for name, value in said.items() if value}
    return Visit(now, uuid4(), _visitor(request) or secrets.token_urlsafe(16), context)


def _visitor(request: Request) -> str | None:
    known = request.cookies.get(_VISITOR, "")
    return known if len(known) == _VISITOR_LENGTH and known.isascii() and known.isprintable() else None


def _with_cookie(response: Response, request: Request, visit: Visit) -> Response:
    if _visitor(request) is None:
        secure = request.url.scheme == "https"
        response.set_cookie(
            _VISITOR, visit.visitor, max_age=VISITOR_SECONDS, httponly=True, samesite="lax", secure=secure
        )
    return response


def _led(link: Link, token: str) -> Response:
    if link.honeypot:
        return _page(_UNKNOWN, 404)
    return Response(status_code=302, headers={**_HEADERS, "Location": links.target(link, token)})


def _page(content: str, status: int) -> Response:
    document = f'<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">{content}'
    policy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'"
    return Response(document, status, {**_HEADERS, "Content-Security-Policy": policy}, "text/html")


_NO_LINK: dict[int | str, dict[str, Any]] = {
    404: {"description": "A page that says so", "content": {"text/html": {"schema": {"type": "string"}}}}
}
_UNKNOWN = "<title>404</title><p>这个链接不存在或已过期。<p>This link is unknown or has expired."
_LEAVE = (
    "<title>退订 Unsubscribe</title><p>不再接收这类消息？<p>Stop receiving these messages?"
    '<form method="post"><button name="List-Unsubscribe" value="One-Click">退订 Unsubscribe</button></form>'
)
_GONE = "<title>已退订 Unsubscribed</title><p>已退订，不会再发送。<p>Done: nothing more will be sent."
