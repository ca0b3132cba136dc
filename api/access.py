"""Who asks, by which key, and what he may: each route names the scope that it needs by one of these."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Context, Here
from api.paths import slashes
from core.audit import Look
from core.errors import Forbidden, Unauthorized
from core.keys import Key, Scope

WORDS_MAX = 20  # of an address, in what is written of a look
WORD_LENGTH_MAX = 256

_bearer = HTTPBearer(auto_error=False, description="An API key (`siyu keys create`)")


# What needs no database is a coroutine, though it awaits nothing: FastAPI sends every function through a thread.


async def key(here: Here, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Key:
    """Return the key by which this request is made. Raises `Unauthorized`."""
    if given is None:
        raise Unauthorized("this needs an API key: Authorization: Bearer …")
    return await here.keys(given.credentials)


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
auditor = Needs(Scope.AUDIT_READ)
administrator = Needs(Scope.ADMIN)

Reader = Annotated[Key, Depends(reader)]
Writer = Annotated[Key, Depends(writer)]
Definer = Annotated[Key, Depends(definer)]
Auditor = Annotated[Key, Depends(auditor)]


async def clear(request: Request, here: Here, key: Reader) -> bool:
    """Whether this reader may see identifiers and traits unmasked; that he looks is written down."""
    if not key.may(Scope.PEOPLE_READ_PII):
        return False
    await here.audit(look(request, here, key))
    return True


def look(request: Request, here: Context, key: Key) -> Look:
    """Return that the owner of *key* looks at what this request asks for: the route, and the words of its address."""
    path = [(name, slashes(value)) for name, value in request.path_params.items()]
    asked = [*path, *request.query_params.multi_items()][:WORDS_MAX]
    words = {name[:WORD_LENGTH_MAX]: value[:WORD_LENGTH_MAX] for name, value in asked}
    return Look(here.clock(), key.id, f"{request.method} {request.scope['route'].path}", words)


Clear = Annotated[bool, Depends(clear)]
