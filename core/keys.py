"""API keys: who may send events, and who may ask what.

A key is shown once, when it is made; kept is only its SHA-256, which is enough because the secret is 256 random bits.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ARRAY, Column, Connection, DateTime, LargeBinary, Table, Text, insert, select, update

from core.database import AnyRow, metadata
from core.errors import NotFound, Unauthorized
from core.event import Trust

key_table = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("source", Text, nullable=False),
    Column("trust", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("namespaces", ARRAY(Text), comment="of the identifiers that its events may name; NULL: any"),
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


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret: what it may do, and as which source, trusted how far, it sends events; these name identifiers of
    its declared *namespaces* only (`None`: of any)."""

    id: str
    scopes: frozenset[Scope]
    source: str
    trust: Trust
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    namespaces: frozenset[str] | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the key reaches to *scope*; `admin` reaches everywhere."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


ADMIN = Key("admin", frozenset(Scope), "admin", Trust.SERVER)


def create(
    connection: Connection,
    scopes: Collection[Scope],
    source: str,
    trust: Trust,
    now: datetime,
    namespaces: Collection[str] | None = None,
) -> tuple[str, Key]:
    """Make a key and return its secret, which cannot be had again, and what is kept of it."""
    secret = f"siyu_{secrets.token_urlsafe(32)}"
    declared = frozenset(namespaces) if namespaces is not None else None
    key = Key(secrets.token_hex(4), frozenset(scopes), source, trust, now, namespaces=declared)
    connection.execute(
        insert(key_table).values(
            id=key.id,
            hash=_hash(secret),
            scopes=sorted(key.scopes),
            source=source,
            trust=trust.value,
            created_at=now,
            namespaces=sorted(declared) if declared is not None else None,
        )
    )
    return secret, key


def find(connection: Connection, secret: str, admin_secret: str | None) -> Key:
    """Return the key that *secret* opens; raises `Unauthorized` where there is none or it was revoked."""
    if admin_secret and hmac.compare_digest(secret.encode(), admin_secret.encode()):
        return ADMIN
    row = connection.execute(
        select(key_table).where(key_table.c.hash == _hash(secret), key_table.c.revoked_at.is_(None))
    ).one_or_none()
    if row is None:
        raise Unauthorized("this key is unknown or was revoked")
    return _key(row)


def listing(connection: Connection) -> Sequence[Key]:
    """Return all keys, revoked ones too, the oldest first."""
    rows = connection.execute(select(key_table).order_by(key_table.c.created_at, key_table.c.id))
    return [_key(row) for row in rows]


def revoke(connection: Connection, key_id: str, now: datetime) -> None:
    """Revoke a key for good; raises `NotFound`. Revoking it twice keeps the first time."""
    known = connection.execute(select(key_table.c.id).where(key_table.c.id == key_id)).one_or_none()
    if known is None:
        raise NotFound("there is no such key")
    connection.execute(
        update(key_table).where(key_table.c.id == key_id, key_table.c.revoked_at.is_(None)).values(revoked_at=now)
    )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(row: AnyRow) -> Key:
    return Key(
        row.id,
        frozenset(map(Scope, row.scopes)),
        row.source,
        Trust(row.trust),
        row.created_at,
        row.revoked_at,
        frozenset(row.namespaces) if row.namespaces is not None else None,
    )
