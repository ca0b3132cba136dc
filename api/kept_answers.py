"""What was answered to requests with an `Idempotency-Key`, for a day, so that the same request is carried out once.

An answer stands here by a hash of who asked, which route, and the name that he gave the request; it is sealed, since it can
say who people are. Who carries such a request out holds a lock of his transaction: it ends with him, however he ends.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    delete,
    select,
    text,
)

from core.database import metadata
from core.errors import Refused
from core.sealed import NONCE_BYTES, derived
from core.session import lock_key

kept_answer_table = Table(
    "kept_answer",
    metadata,
    Column("name", LargeBinary, primary_key=True, comment="hash of key, route and Idempotency-Key"),
    Column("key", Text, nullable=False, comment="who asked"),
    Column("fingerprint", LargeBinary, nullable=False, comment="hash of all that was asked"),
    Column("status", Integer, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="sealed"),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("kept_answer_at_idx", "at"),
    Index("kept_answer_key_idx", "key", "at"),
)

KEPT = timedelta(hours=24)
ANSWERS_MAX = 10_000  # of one key; the oldest go first
BODY_BYTES_MAX = 1 << 20
SWEPT_MAX = 100  # with each that is kept, so that more go than come


@dataclass(frozen=True, slots=True)
class Named:
    """A request that *key* (its id) has given a name: where it is kept, and what it asks."""

    key: str
    name: bytes
    fingerprint: bytes

    @classmethod
    def of(cls, key: str, route: str, senders_key: str, asked: bytes) -> "Named":
        """Return the request to *route* that its sender calls *senders_key*, and which asks all that is in *asked*."""
        name = hashlib.sha256(f"{key}\0{route}\0{senders_key}".encode()).digest()
        return cls(key, name, hashlib.sha256(asked).digest())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered, and the *fingerprint* of what it asked."""

    fingerprint: bytes
    status: int
    headers: Mapping[str, str]
    body: bytes


def is_ours(connection: Connection, of: Named) -> bool:
    """Whether nobody else carries this request out; from now on, until the transaction ends, nobody else does."""
    statement = text("SELECT pg_try_advisory_xact_lock(hashtext('siyu.kept_answer'), :number)")
    return bool(connection.execute(statement, {"number": lock_key(of.name.hex())}).scalar_one())


def found(connection: Connection, of: Named, signing_key: bytes, now: datetime) -> Answer | None:
    """Return what was answered; `None` where it was not, or too long ago. Raises `Refused` where it can be read no more."""
    table = kept_answer_table
    row = connection.execute(select(table).where(table.c.name == of.name, table.c.at > now - KEPT)).one_or_none()
    if row is None:
        return None
    sealed: bytes = row.body
    try:
        body = _cipher(signing_key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], of.name)
    except InvalidTag:
        raise Refused("it was answered already, under another SIYU_SECRET_KEY") from None
    return Answer(row.fingerprint, row.status, row.headers, body)


def keep(connection: Connection, of: Named, answer: Answer, signing_key: bytes, now: datetime) -> None:
    """Keep *answer*, and forget some that are too old or too many. One that is too large is not kept."""
    if len(answer.body) > BODY_BYTES_MAX:
        return
    _sweep(connection, of.key, now)
    connection.execute(delete(kept_answer_table).where(kept_answer_table.c.name == of.name))
    nonce = secrets.token_bytes(NONCE_BYTES)
    connection.execute(
        kept_answer_table.insert().values(
            name=of.name,
            key=of.key,
            fingerprint=answer.fingerprint,
            status=answer.status,
            headers=dict(answer.headers),
            body=nonce + _cipher(signing_key).encrypt(nonce, answer.body, of.name),
            at=now,
        )
    )


def _sweep(connection: Connection, key: str, now: datetime) -> None:
    """Rows that somebody else is sweeping are overlooked: nobody waits for nobody."""
    connection.execute(_SWEEP_OLD, {"until": now - KEPT, "swept": SWEPT_MAX})
    connection.execute(_SWEEP_MANY, {"key": key, "most": ANSWERS_MAX - 1, "swept": SWEPT_MAX})


_SWEEP_OLD = text(
    """
    DELETE FROM kept_answer WHERE name IN (
      SELECT name FROM kept_answer WHERE at <= :until ORDER BY at LIMIT :swept FOR UPDATE SKIP LOCKED
    )
    """
)
_SWEEP_MANY = text(
    """
    DELETE FROM kept_answer WHERE name IN (
      SELECT name FROM kept_answer WHERE name IN (
        SELECT name FROM kept_answer WHERE key = :key ORDER BY at DESC OFFSET :most LIMIT :swept
      ) FOR UPDATE SKIP LOCKED
    )
    """
)


def _cipher(signing_key: bytes) -> AESGCM:
    return AESGCM(derived(signing_key, "kept answers"))
