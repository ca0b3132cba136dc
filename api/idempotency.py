"""`Idempotency-Key`: a request that its sender gives a name is carried out once, and answered again as it was.

One mechanism for all routes whose dependencies say that they have an `effect`. Where that is in the database, the answer is kept
in the same transaction: there are both or neither. Where it is in the log, its id derives from the sender's key, so that doing
it again is doing it once. See docs/decisions/0021.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import Connection

from api import kept_answers
from api.access import key_of, look, scopes_needed
from api.context import Context, turn
from api.kept_answers import Answer, Named
from core import database
from core.errors import Forbidden, KeyReused, Running
from core.keys import Key, Scope

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY_LENGTH_MAX = 200
KEPT_HEADERS = ("content-type", "location")
PROBLEMS = frozenset({"idempotency_in_progress", "idempotency_key_reused"})

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Any]]


def effect(dependency: T) -> T:
    """Say of *dependency* that whatever depends on it changes something."""
    dependency.has_effect = True  # type: ignore[attr-defined] # functions and classes have room for it
    return dependency


class Once(APIRoute):
    """A route that carries out a request with an `Idempotency-Key` once, where it is a POST that has an effect."""

    @property
    def is_once(self) -> bool:
        """Whether this is one of them."""
        return "POST" in (self.methods or ()) and _has_effect(self.dependant)

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()
        if not self.is_once:
            return handle

        async def handled(request: Request) -> Response:
            senders_key = request.headers.get(HEADER)
            if senders_key is None:
                return await handle(request)
            return await _once(request, self, handle, _checked(senders_key))

        return handled


def transaction_under_way(request: Request) -> Connection | None:
    """Return the transaction in which the answer to *request* is to be kept, so that its effect is in it too."""
    found: Connection | None = getattr(request.state, "transaction", None)
    return found


async def _once(request: Request, route: Once, handle: Handler, senders_key: str) -> Response:
    here: Context = request.app.state.context
    key = await key_of(request)
    named = Named.of(key.id, f"POST {route.path}", senders_key, await _asked(request))
    async with turn(here), contextmanager_in_threadpool(database.transaction(here.engine)) as connection:
        if not await run_in_threadpool(kept_answers.is_ours, connection, named):
            raise Running("a request with this Idempotency-Key is being answered", retry_after_seconds=1)
        kept = await run_in_threadpool(kept_answers.found, connection, named, here.signing_key, here.clock())
        if kept is not None:
            return await _again(request, route, key, kept, named)
        request.state.transaction = connection
        response: Response = await handle(request)
        if response.status_code < 300:
            answer = _kept(response, named)
            await run_in_threadpool(kept_answers.keep, connection, named, answer, here.signing_key, here.clock())
    return response


async def _again(request: Request, route: Once, key: Key, kept: Answer, named: Named) -> Response:
    """Return the answer that was given, to one who may still have it. Raises `KeyReused` where he asks something else."""
    if not all(any(key.may(scope) for scope in scopes) for scopes in scopes_needed(route)):
        raise Forbidden("this key does not reach so far any more")
    if kept.fingerprint != named.fingerprint:
        raise KeyReused("this Idempotency-Key was used for another request")
    here: Context = request.app.state.context
    if key.may(Scope.PEOPLE_READ_PII):
        await here.audit(look(request, here, key))
    return Response(kept.body, kept.status, {**kept.headers, REPLAYED: "true"})


def _kept(response: Response, named: Named) -> Answer:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return Answer(named.fingerprint, response.status_code, headers, bytes(response.body))


async def _asked(request: Request) -> bytes:
    """Return all that *request* asks: where, what, and with which words."""
    address = f"{request.scope['path']}?{request.url.query}".encode()
    return b"\0".join([str(len(address)).encode(), address, await request.body()])


def _checked(senders_key: str) -> str:
    if 0 < len(senders_key) <= KEY_LENGTH_MAX:
        return senders_key
    fault = {
        "type": "string_too_long" if senders_key else "string_too_short",
        "loc": ("header", HEADER),
        "msg": f"a key has 1 to {KEY_LENGTH_MAX} characters",
    }
    raise RequestValidationError([fault])


def _has_effect(dependant: Dependant) -> bool:
    return getattr(dependant.call, "has_effect", False) or any(map(_has_effect, dependant.dependencies))
