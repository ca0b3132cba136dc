"""Who asks, by which key, and what he may: each route names the scope that it needs by one of these."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Context, Here
from api.cookie import SAFE_METHODS, SessionCookie, is_from_here
from api.paths import slashes
from core.audit import Look
from core.errors import Forbidden, Unauthorized
from core.keys import WRITING_ONLY, Key, Scope
from core.problems import raises

WORDS_MAX = 20  # of an address, in what is written of a look
WORD_LENGTH_MAX = 256

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_bearer = HTTPBearer(auto_error=False, description="An API key (`siyu keys create`)")
_cookie = SessionCookie()


# What needs no database is a coroutine, though it awaits nothing: FastAPI sends every function through a thread.


@dataclass(frozen=True, slots=True)
class Asker:
    """By what a request is made: a key, or the cookie of the console session that stands for one.

    Who is answered for long (a stream) is asked for his key again now and then. That keeps no session awake: nobody may be
    sitting there any more.
    """

    here: Context
    secret: str | None
    cookie: str | None
    is_from_elsewhere: bool

    async def key(self) -> Key:
        """Return the key. Raises `Unauthorized`, and `Forbidden` where a page of somebody else's asks by our cookie."""
        if self.secret is not None:
            return await self.here.keys(self.secret)
        if self.cookie is None:
            raise Unauthorized("this needs an API key: Authorization: Bearer …")
        if self.is_from_elsewhere:
            raise Forbidden("by a session, this can be asked from pages of this host alone")
        return await self.here.keys.of_session(self.cookie)


async def asker(
    request: Request,
    here: Here,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Asker:
    """Return by what this request is made; a key goes before a session."""
    is_from_elsewhere = request.method not in SAFE_METHODS and not is_from_here(request)
    return Asker(here, given.credentials if given else None, cookie, is_from_elsewhere)


async def key_of(request: Request) -> Key:
    """Return the same key as `key`, for those who are asked before FastAPI looks at what depends on what."""
    here: Context = request.app.state.context
    return await key(request, here, await asker(request, here, await _bearer(request), await _cookie(request)))


@raises("unauthorized", "forbidden", "rate_limited", "unavailable", "overloaded")
async def key(request: Request, here: Here, asker: Annotated[Asker, Depends(asker)]) -> Key:
    """Return the key by which this request is made. Raises `Unauthorized`, `Forbidden`, and `Limited` where it asks too often."""
    found = await _vouched(request, here, asker)
    if not hasattr(request.state, "answer_headers"):  # asked for twice, it is one request
        here.limits.check(found.id)
        request.state.answer_headers = here.limits.take(found.id)
    here.uses.note_session(found)
    return found


async def _vouched(request: Request, here: Context, asker: Asker) -> Key:
    """Return the key of *asker*. Who shows many that are none is not heard for a while, but for one that was good just now."""
    if asker.secret is None or here.keys.is_remembered(asker.secret):
        return await asker.key()
    address = request.client.host if request.client else ""
    here.guesses.check(address, here.clock())
    try:
        return await asker.key()
    except Unauthorized:
        with here.guesses.one_more(address, here.clock()):
            raise


def scopes_needed(route: APIRoute) -> list[frozenset[Scope]]:
    """Return what it takes to be let in by *route*: of each of these sets, one scope."""
    return sorted(_needed(route.dependant), key=sorted)


@raises("forbidden")
class Needs:
    """Lets those keys in that reach to one of *scopes*. Raises `Forbidden`."""

    def __init__(self, *scopes: Scope) -> None:
        self.scopes = frozenset(scopes)
        self._refusal = f"this needs a key with the scope {' or '.join(scopes)}"

    async def __call__(self, key: Annotated[Key, Depends(key)]) -> Key:
        """Return the key of one who may do this."""
        if not any(key.may(scope) for scope in self.scopes):
            raise Forbidden(self._refusal)
        return key


reader = Needs(Scope.PEOPLE_READ)
writer = Needs(Scope.PEOPLE_WRITE)
definer = Needs(Scope.SEGMENTS_WRITE)
protector = Needs(Scope.PRIVACY_WRITE)
blocker = Needs(Scope.PEOPLE_WRITE, Scope.PRIVACY_WRITE)
subscriber = Needs(Scope.WEBHOOKS_WRITE)
auditor = Needs(Scope.AUDIT_READ)
administrator = Needs(Scope.ADMIN)
anything = Needs(*sorted(frozenset(Scope) - WRITING_ONLY))

Reader = Annotated[Key, Depends(reader)]
Writer = Annotated[Key, Depends(writer)]
Definer = Annotated[Key, Depends(definer)]
Blocker = Annotated[Key, Depends(blocker)]
Subscriber = Annotated[Key, Depends(subscriber)]
Auditor = Annotated[Key, Depends(auditor)]
Administrator = Annotated[Key, Depends(administrator)]


async def clear(request: Request, here: Here, key: Reader) -> bool:
    """Whether this reader may see identifiers and traits unmasked; that he looks is written down."""
    if not key.may(Scope.PEOPLE_READ_PII):
        return False
    await here.audit(look(request, here, key))
    return True


def look(request: Request, here: Context, key: Key, **more: str) -> Look:
    """Return that the owner of *key* looks at what this request asks for: the route, and the words of its address, and *more*."""
    path = [(name, slashes(value)) for name, value in request.path_params.items()]
    asked = [*path, *request.query_params.multi_items()][:WORDS_MAX]
    words = {name[:WORD_LENGTH_MAX]: value[:WORD_LENGTH_MAX] for name, value in asked}
    what = f"{request.method} {request.scope['route'].path}"
    person = words.get("person_id", words.get("person", ""))
    return Look(
        at=here.clock(),
        key=key.id,
        what=what,
        filters=words | more,
        session=key.session,
        person=person if _UUID.fullmatch(person) else None,
    )


Clear = Annotated[bool, Depends(clear)]


def _needed(dependant: Dependant) -> set[frozenset[Scope]]:
    own = {dependant.call.scopes} if isinstance(dependant.call, Needs) else set()
    return own.union(*map(_needed, dependant.dependencies))
