"""API keys: which there are, making, rotating and revoking them, who is signed in by them; and who one is oneself."""

from datetime import timedelta
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from api import pages
from api.access import Administrator, anything, look
from api.context import Here
from api.pages import Paged
from api.schemas import Page
from api.transactions import Administering, AdminSnapshot
from core import console_sessions, keys
from core.console_sessions import ConsoleSession
from core.errors import InvalidEvent
from core.event import Trust
from core.keys import GRACE_HOURS_MAX, NAME_LENGTH_MAX, SCOPES, Key, Role, Scope
from core.problems import raises

NAMESPACES_MAX = 100

router = APIRouter(prefix="/v1", tags=["keys"])

Named = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX, pattern="^[^\0]*$")]
KeyId = Annotated[str, StringConstraints(max_length=32, pattern="^[0-9a-z]*$")]

_PLACE = TypeAdapter(tuple[AwareDatetime, KeyId])


class NewKey(BaseModel):
    """What a key is to be called and to be able to do: a role, scopes, or both.

    *source* is as which source it sends events (the name, where it is not given), *trust* how far they are believed: a
    key of trust `browser` can have the scope `events:write` alone.
    """

    model_config = ConfigDict(extra="forbid")

    name: Named
    role: Role | None = None
    scopes: Annotated[list[Scope], Field(max_length=len(Scope))] = []
    source: Named | None = None
    trust: Trust = Trust.SERVER
    namespaces: Annotated[list[str], Field(min_length=1, max_length=NAMESPACES_MAX)] | None = None
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _may_do_something(self) -> Self:
        if self.role is None and not self.scopes:
            raise ValueError("name a role or scopes")
        return self

    @property
    def every_scope(self) -> frozenset[Scope]:
        """All that the key may do, its role's scopes among them."""
        return frozenset(self.scopes) | (SCOPES[self.role] if self.role else frozenset())


class Rotation(BaseModel):
    """How much longer the secret until now is good for."""

    model_config = ConfigDict(extra="forbid")

    grace_hours: Annotated[int, Field(ge=0, le=GRACE_HOURS_MAX)] = 24


class KeyOut(BaseModel):
    """A key without its secret. *prefix* is how that begins; *scopes* are those of the role too."""

    id: str
    name: str
    role: Role | None
    scopes: list[Scope]
    source: str
    trust: Trust
    namespaces: list[str] | None
    prefix: str | None
    created_at: AwareDatetime | None
    created_by: str | None
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    last_used_at: Annotated[AwareDatetime | None, Field(description="A minute or two late.")]
    former_secret_until: Annotated[
        AwareDatetime | None, Field(description="Until when the secret before opens it too.")
    ]


class NewKeyOut(KeyOut):
    """A key, and its secret, which is shown this once and kept nowhere."""

    key: str


class SessionOut(BaseModel):
    """Somebody who has signed in to the console with a key."""

    id: str
    opened_at: AwareDatetime
    last_used_at: AwareDatetime


class SessionsOut(BaseModel):
    """Who is signed in with a key, the latest used first: there are not so many that it had pages."""

    data: list[SessionOut]


class MeOut(BaseModel):
    """Who asks. *session* is that of the console, where it is by one."""

    id: str
    name: str
    role: Role | None
    scopes: list[Scope]
    expires_at: AwareDatetime | None
    session: str | None


@router.get("/me")
async def me(key: Annotated[Key, Depends(anything)]) -> MeOut:
    """Say who asks, and what he may. A key that can only write events learns not even this."""
    return shown_me(key)


@router.get("/keys")
def listing(connection: AdminSnapshot, asked: Paged) -> Page[KeyOut]:
    """Return all keys, revoked and expired ones too, the oldest first."""
    found = keys.listing(connection, asked.after(_PLACE), asked.limit + 1)
    kept, following = pages.cut(found, asked.limit, lambda last: (last.created_at, last.id))
    return asked.answer([_shown(key) for key in kept], following)


async def written_down(request: Request, here: Here, key: Administrator) -> None:
    """Write down who does this to which key."""
    await here.audit(look(request, here, key))


@router.post("/keys", status_code=201, dependencies=[Depends(written_down)])
@raises("unknown_namespace", "too_much_for_a_browser", "expired", "forbidden")
def make(asked: NewKey, here: Here, by: Administrator, connection: Administering) -> NewKeyOut:
    """Make a key, which can do no more than the one that makes it. Its secret is in the answer, and nowhere else."""
    keys.check_within(by, asked.every_scope, asked.expires_at)
    secret, key = keys.create(
        connection,
        asked.scopes,
        asked.source or asked.name,
        asked.trust,
        here.clock(),
        _known(asked.namespaces, here),
        role=asked.role,
        name=asked.name,
        expires_at=asked.expires_at,
        by=f"key:{by.id}",
    )
    return _with_secret(secret, key)


@router.delete("/keys/{key_id}", status_code=204, dependencies=[Depends(written_down)])
@raises("not_found")
def revoke(key_id: KeyId, here: Here, connection: Administering) -> None:
    """Revoke a key for good, and with it all sessions: within ten seconds it opens nothing any more."""
    keys.revoke(connection, key_id, here.clock())


@router.post("/keys/{key_id}/rotate", dependencies=[Depends(written_down)])
@raises("not_found", "refused")
def rotate(key_id: KeyId, asked: Rotation, here: Here, connection: Administering) -> NewKeyOut:
    """Give a key another secret; the one until now opens it for a while longer, so that nobody stands outside meanwhile."""
    return _with_secret(*keys.rotate(connection, key_id, timedelta(hours=asked.grace_hours), here.clock()))


@router.get("/keys/{key_id}/sessions")
@raises("not_found")
def sessions(key_id: KeyId, here: Here, connection: AdminSnapshot) -> SessionsOut:
    """Return who is signed in to the console with a key, the latest used first."""
    return SessionsOut(data=[_session(each) for each in here.sessions.listing(connection, key_id, here.clock())])


@router.delete("/keys/{key_id}/sessions/{session_id}", status_code=204, dependencies=[Depends(written_down)])
@raises("not_found")
def end_session(key_id: KeyId, session_id: KeyId, connection: Administering) -> None:
    """End a session: within ten seconds it is none any more."""
    console_sessions.end(connection, key_id, session_id)


def shown_me(key: Key) -> MeOut:
    """Return what somebody is told of his own key."""
    return MeOut(
        id=key.id,
        name=key.name,
        role=key.role,
        scopes=sorted(key.scopes),
        expires_at=key.expires_at,
        session=key.session,
    )


def _known(namespaces: list[str] | None, here: Here) -> list[str] | None:
    for place, name in enumerate(namespaces or ()):
        if name not in here.rules.namespaces:
            raise InvalidEvent("unknown_namespace", "the rules know no such namespace", f"/namespaces/{place}")
    return namespaces


def _with_secret(secret: str, key: Key) -> NewKeyOut:
    return NewKeyOut(**_shown(key).model_dump(), key=secret)


def _shown(key: Key) -> KeyOut:
    return KeyOut(
        id=key.id,
        name=key.name,
        role=key.role,
        scopes=sorted(key.scopes),
        source=key.source,
        trust=key.trust,
        namespaces=sorted(key.namespaces) if key.namespaces is not None else None,
        prefix=key.prefix,
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
        former_secret_until=key.former_until,
    )


def _session(of: ConsoleSession) -> SessionOut:
    return SessionOut(id=of.id, opened_at=of.opened_at, last_used_at=of.last_used_at)
