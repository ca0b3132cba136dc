"""API keys: who may send events, and who may ask what.

A key is shown once, when it is made; kept is only its SHA-256, which is enough because the secret is 256 random bits.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    LargeBinary,
    Select,
    Table,
    Text,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from core.database import AnyRow, metadata
from core.errors import Forbidden, InvalidEvent, NotFound, Refused, Unauthorized
from core.event import Trust

PREFIX = "siyu_sk_"
BROWSER_PREFIX = "siyu_pk_"  # what everybody can read in a page: by its beginning, those who look for leaks know
SHOWN_LENGTH = 12  # of a secret, in lists: its kind and 24 of its 256 bits
GRACE_HOURS_MAX = 7 * 24
NAME_LENGTH_MAX = 128
UNKNOWN = "this key is unknown, was revoked, or has expired"

key_table = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False, comment="besides those of its role"),
    Column("source", Text, nullable=False),
    Column("trust", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("namespaces", ARRAY(Text), comment="of the identifiers that its events may name; NULL: any"),
    Column("role", Text),
    Column("name", Text, nullable=False),
    Column("prefix", Text, comment="how its secret begins; NULL: made before that was kept"),
    Column("created_by", Text, comment="NULL: made before that was kept"),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True), comment="a minute late at most"),
    Column("former_hash", LargeBinary, unique=True, comment="of the secret before this one"),
    Column("former_until", DateTime(timezone=True), comment="until when that opens it too"),
    CheckConstraint(
        "trust <> 'browser' OR (role IS NULL AND scopes <@ ARRAY['events:write'])", name="browser_keys_only_write"
    ),
)


class Scope(StrEnum):
    """What a key may do."""

    PEOPLE_READ = "people:read"
    PEOPLE_READ_PII = "people:read_pii"
    PEOPLE_WRITE = "people:write"
    EVENTS_WRITE = "events:write"
    SEGMENTS_WRITE = "segments:write"
    WEBHOOKS_WRITE = "webhooks:write"
    AUDIT_READ = "audit:read"
    PRIVACY_WRITE = "privacy:write"
    ADMIN = "admin"


class Role(StrEnum):
    """What somebody does who asks; each is a set of scopes."""

    VIEWER = "viewer"
    MARKETER = "marketer"
    SALES = "sales"
    ANALYST = "analyst"
    PRIVACY_OFFICER = "privacy_officer"
    ADMIN = "admin"


SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.PEOPLE_READ}),
    Role.MARKETER: frozenset({Scope.PEOPLE_READ, Scope.PEOPLE_WRITE, Scope.SEGMENTS_WRITE}),
    Role.SALES: frozenset({Scope.PEOPLE_READ, Scope.PEOPLE_READ_PII, Scope.PEOPLE_WRITE}),
    Role.ANALYST: frozenset({Scope.PEOPLE_READ, Scope.SEGMENTS_WRITE}),
    Role.PRIVACY_OFFICER: frozenset({Scope.PEOPLE_READ, Scope.PEOPLE_READ_PII, Scope.PRIVACY_WRITE, Scope.AUDIT_READ}),
    Role.ADMIN: frozenset(Scope),
}

WRITING_ONLY = frozenset({Scope.EVENTS_WRITE})


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret: what it may do, and as which source, trusted how far, it sends events; these name identifiers of
    its declared *namespaces* only (`None`: of any).

    *scopes* are all that it has, those of its *role* among them. What a browser holds everybody can read, so such a key
    may write events and nothing else: another one is a `ValueError`. *session* is the console session by which it asks.
    """

    id: str
    scopes: frozenset[Scope]
    source: str
    trust: Trust
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    namespaces: frozenset[str] | None = None
    role: Role | None = None
    name: str = ""
    prefix: str | None = None
    created_by: str | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    former_until: datetime | None = None
    session: str | None = None

    def __post_init__(self) -> None:
        if self.trust is Trust.BROWSER and not self.scopes <= WRITING_ONLY:
            raise ValueError("a key of trust browser may write events and nothing else")

    def may(self, scope: Scope) -> bool:
        """Whether the key reaches to *scope*; `admin` reaches everywhere."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def is_over(self, now: datetime) -> bool:
        """Whether it was revoked, or has expired."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= now)


ADMIN = Key("admin", frozenset(Scope), "admin", Trust.SERVER, role=Role.ADMIN, name="SIYU_ADMIN_KEY")


def create(
    connection: Connection,
    scopes: Collection[Scope],
    source: str,
    trust: Trust,
    now: datetime,
    namespaces: Collection[str] | None = None,
    *,
    role: Role | None = None,
    name: str | None = None,
    expires_at: datetime | None = None,
    by: str | None = None,
) -> tuple[str, Key]:
    """Make a key and return its secret, which cannot be had again, and what is kept of it.

    Raises `InvalidEvent` for a browser's key that may do more than write, and for one that would have expired already.
    """
    secret = _secret(trust)
    every = frozenset(scopes) | (SCOPES[role] if role else frozenset())
    if trust is Trust.BROWSER and not every <= WRITING_ONLY:
        raise InvalidEvent(
            "too_much_for_a_browser", "a key of trust browser has the scope events:write alone", "/scopes"
        )
    if expires_at is not None and expires_at <= now:
        raise InvalidEvent("expired", "this is over already", "/expires_at")
    key = Key(
        id=secrets.token_hex(4),
        scopes=every,
        source=source,
        trust=trust,
        created_at=now,
        namespaces=frozenset(namespaces) if namespaces is not None else None,
        role=role,
        name=source if name is None else name,
        prefix=secret[:SHOWN_LENGTH],
        created_by=by,
        expires_at=expires_at,
    )
    connection.execute(
        insert(key_table).values(
            id=key.id,
            hash=hashed(secret),
            scopes=sorted(frozenset(scopes)),
            source=source,
            trust=trust.value,
            created_at=now,
            namespaces=sorted(key.namespaces) if key.namespaces is not None else None,
            role=role,
            name=key.name,
            prefix=key.prefix,
            created_by=by,
            expires_at=expires_at,
        )
    )
    return secret, key


def check_within(maker: Key, made: Collection[Scope], expires_at: datetime | None) -> None:
    """Let nobody make a key that may do more than his own, or an administrator's that lasts longer. Raises `Forbidden`."""
    if not all(maker.may(scope) for scope in made):
        raise Forbidden("this key would reach further than yours")
    outlives = maker.expires_at is not None and (expires_at is None or expires_at > maker.expires_at)
    if Scope.ADMIN in made and outlives:
        raise Forbidden("an administrator's key expires no later than the one that made it")


def find(connection: Connection, secret: str, now: datetime, admin_secret: str | None = None) -> Key:
    """Return the key that *secret* opens.

    Raises `Unauthorized` where there is none, and in the same words where it was revoked or has expired.
    """
    if admin_secret and hmac.compare_digest(secret.encode(), admin_secret.encode()):
        return ADMIN
    mark = hashed(secret)
    opened = or_(key_table.c.hash == mark, (key_table.c.former_hash == mark) & (key_table.c.former_until > now))
    row = connection.execute(_live(now).where(opened)).one_or_none()
    if row is None:
        raise Unauthorized(UNKNOWN)
    return _key(row)


def live(
    connection: Connection, key_id: str, now: datetime, admin_secret: str | None = None
) -> tuple[Key, Sequence[bytes]]:
    """Return the key *key_id*, and the hashes of the secrets that open it now. Raises `Unauthorized` as `find` does."""
    if key_id == ADMIN.id and admin_secret:
        return ADMIN, [hashed(admin_secret)]
    row = connection.execute(_live(now).where(key_table.c.id == key_id)).one_or_none()
    if row is None:
        raise Unauthorized(UNKNOWN)
    return _key(row), [row.hash, *([row.former_hash] if row.former_until and row.former_until > now else [])]


def listing(
    connection: Connection, after: tuple[datetime, str] | None = None, most: int | None = None
) -> Sequence[Key]:
    """Return keys, revoked and expired ones too, the oldest first: up to *most*, from behind the one made *after*, by its id."""
    place = tuple_(key_table.c.created_at, key_table.c.id)
    behind = () if after is None else (place > after,)
    rows = connection.execute(select(key_table).where(*behind).order_by(place).limit(most))
    return [_key(row) for row in rows]


def found(connection: Connection, key_id: str) -> Key:
    """Return one key, whatever has become of it, and keep it as it is until the transaction ends. Raises `NotFound`."""
    row = connection.execute(select(key_table).where(key_table.c.id == key_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("there is no such key")
    return _key(row)


def revoke(connection: Connection, key_id: str, now: datetime) -> None:
    """Revoke a key for good; raises `NotFound`. Revoking it twice keeps the first time."""
    if found(connection, key_id).revoked_at is None:
        connection.execute(update(key_table).where(key_table.c.id == key_id).values(revoked_at=now))


def rotate(connection: Connection, key_id: str, grace: timedelta, now: datetime) -> tuple[str, Key]:
    """Give a key another secret, and return that; the one until now opens it for *grace* longer, one before that no more.

    Raises `NotFound`, and `Refused` where the key was revoked or has expired.
    """
    key = found(connection, key_id)
    if key.is_over(now):
        raise Refused("this key is over: make another one")
    secret = _secret(key.trust)
    connection.execute(
        update(key_table)
        .where(key_table.c.id == key_id)
        .values(
            hash=hashed(secret),
            prefix=secret[:SHOWN_LENGTH],
            former_hash=key_table.c.hash,
            former_until=now + min(grace, timedelta(hours=GRACE_HOURS_MAX)),
        )
    )
    return secret, found(connection, key_id)


def hashed(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def _secret(trust: Trust) -> str:
    return f"{BROWSER_PREFIX if trust is Trust.BROWSER else PREFIX}{secrets.token_urlsafe(32)}"


def _live(now: datetime) -> Select[tuple[Any, ...]]:
    return select(key_table).where(
        key_table.c.revoked_at.is_(None), or_(key_table.c.expires_at.is_(None), key_table.c.expires_at > now)
    )


def _key(row: AnyRow) -> Key:
    role = Role(row.role) if row.role else None
    return Key(
        id=row.id,
        scopes=frozenset(map(Scope, row.scopes)) | (SCOPES[role] if role else frozenset()),
        source=row.source,
        trust=Trust(row.trust),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        namespaces=frozenset(row.namespaces) if row.namespaces is not None else None,
        role=role,
        name=row.name,
        prefix=row.prefix,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        former_until=row.former_until,
    )
