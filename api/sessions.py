"""Signing in to the console with an API key, and out again."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, StringConstraints

from api import cookie
from api.access import anything, look
from api.context import Context, Here
from api.keys import MeOut, shown_me
from core import console_sessions, database
from core.errors import Forbidden
from core.keys import Key
from core.problems import raises

SECRET_LENGTH_MAX = 256

router = APIRouter(prefix="/v1/session", tags=["console"])


class SignIn(BaseModel):
    """An API key."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, StringConstraints(min_length=1, max_length=SECRET_LENGTH_MAX)]


@raises("forbidden")
async def own_page(request: Request) -> None:
    """Let no page of somebody else's do this. Raises `Forbidden`."""
    if cookie.is_from_here(request) is False:
        raise Forbidden("this can be asked from pages of this host alone")


@raises("rate_limited")
async def attempt(request: Request, here: Here) -> AsyncIterator[None]:
    """Let nobody try keys one after the other. Raises `Limited`."""
    with here.attempts.one_more(request.client.host if request.client else "", here.clock()):
        yield


@router.post("", status_code=201, dependencies=[Depends(own_page), Depends(attempt, scope="function")])
@raises("unauthorized", "forbidden", "unavailable", "overloaded")
async def sign_in(asked: SignIn, request: Request, response: Response, here: Here) -> MeOut:
    """Sign in with a key: from now on the cookie of this answer does as well. A session that was open before is over.

    A key that can only write events opens no session.
    """
    key = await anything(await here.keys(asked.key))
    value, key = await run_in_threadpool(_begun, here, key, asked.key, cookie.given(request))
    await here.audit(look(request, here, key))
    cookie.give(request, response, value)
    return shown_me(key)


@router.delete("", status_code=204, dependencies=[Depends(own_page)])
@raises("unavailable")
async def sign_out(request: Request, response: Response, here: Here) -> None:
    """Sign out: the session is over, and the cookie good for nothing. Who was not signed in is not now either."""
    if (value := cookie.given(request)) is not None:
        await run_in_threadpool(_over, here, value)
    cookie.take_away(response)


def _begun(here: Context, key: Key, secret: str, before: str | None) -> tuple[str, Key]:
    with database.transaction(here.engine) as connection:
        if before is not None:
            console_sessions.sign_out(connection, before)
        value, session = console_sessions.begin(connection, key, secret, here.clock())
    return value, replace(key, session=session.id)


def _over(here: Context, value: str) -> None:
    with database.transaction(here.engine) as connection:
        console_sessions.sign_out(connection, value)
    here.keys.forget_session(value)
