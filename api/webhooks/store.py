"""Webhooks in PostgreSQL, and what is to be delivered to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    delete,
    insert,
    select,
    text,
    update,
)

from api.webhooks.schedule import FAILING_MAX, SILENT, Outcome, Status, Verdict
from core.database import AnyRow, metadata, run
from core.errors import NotFound, Refused

WEBHOOKS_MAX = 100
ERROR_LENGTH_MAX = 1_024
DONE_KEPT = timedelta(days=7)
DEAD_KEPT = timedelta(days=30)
FORGET_ROWS_MAX = 10_000

webhook_table = Table(
    "webhook",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("types", ARRAY(Text), comment="what it hears of; NULL: of everything"),
    Column("segment", Text, comment="it hears of people in this one; NULL: of all"),
    Column("description", Text, nullable=False),
    Column("secret", Text, nullable=False, comment="sealed"),
    Column("old_secret", Text, comment="sealed; signs too, for a while"),
    Column("old_secret_until", DateTime(timezone=True)),
    Column("version", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("failing_since", DateTime(timezone=True), comment="nothing was taken since; NULL: something was"),
    Column("disabled_at", DateTime(timezone=True)),
    Column("disabled_reason", Text),
)

delivery_table = Table(
    "webhook_delivery",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("webhook_id", Text, nullable=False),
    Column("event_id", Text, nullable=False, comment="CloudEvents id: the same at each attempt"),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), comment="set while it waits"),
    Column("ended_at", DateTime(timezone=True)),
    Column("status_code", Integer, comment="of the last answer"),
    Column("took_ms", Integer),
    Column("error", Text),
    Index("webhook_delivery_log_idx", "webhook_id", "id"),
    Index("webhook_delivery_due_idx", "webhook_id", "due_at", postgresql_where=text("status = 'waiting'")),
    Index("webhook_delivery_ended_idx", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to send what: *types* of announcements (`None`: all), about people in *segment* (`None`: all).

    Its secrets are sealed; *old_secret* signs beside the other until *old_secret_until*.
    """

    id: str
    url: str
    types: frozenset[str] | None
    segment: str | None
    description: str
    secret: str
    old_secret: str | None
    old_secret_until: datetime | None
    version: int
    created_at: datetime
    created_by: str
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One announcement for one webhook, and what has become of it."""

    id: int
    webhook_id: str
    event_id: str
    type: str
    body: str
    status: Status
    attempts: int
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    status_code: int | None
    took_ms: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be delivered: the *body* that announces *event_id*, a `core.cloudevents.name` *type*, to a webhook."""

    webhook_id: str
    event_id: str
    type: str
    body: str


def add(connection: Connection, webhook: Webhook) -> None:
    """Keep a webhook. Raises `Refused` where there are too many."""
    connection.execute(text("LOCK TABLE webhook IN SHARE ROW EXCLUSIVE MODE"))
    if connection.execute(text("SELECT count(*) FROM webhook")).scalar_one() >= WEBHOOKS_MAX:
        raise Refused(f"there are {WEBHOOKS_MAX} webhooks already")
    connection.execute(insert(webhook_table).values(**_columns(webhook)))


def one(connection: Connection, webhook_id: str) -> Webhook:
    """Return one. Raises `NotFound`."""
    row = connection.execute(select(webhook_table).where(webhook_table.c.id == webhook_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such webhook")
    return _webhook(row)


def check_enabled(connection: Connection, webhook_id: str) -> None:
    """Raise `Refused` where a webhook is disabled, and `NotFound`."""
    if one(connection, webhook_id).disabled_at is not None:
        raise Refused("it is disabled: enable it first")


def listing(connection: Connection) -> Sequence[Webhook]:
    """Return all, the oldest first."""
    order = webhook_table.c.created_at, webhook_table.c.id
    return [_webhook(row) for row in connection.execute(select(webhook_table).order_by(*order))]


def change(connection: Connection, webhook_id: str, version: int, fields: Mapping[str, Any]) -> Webhook:
    """Put *fields* in the place of those of a webhook that is at *version*, and return it.

    Raises `NotFound`, and `Refused` where somebody else has changed it meanwhile.
    """
    present = one(connection, webhook_id)
    known = {**fields, "types": sorted(fields["types"])} if fields.get("types") is not None else fields
    is_it = (webhook_table.c.id == webhook_id) & (webhook_table.c.version == version)
    changed = connection.execute(update(webhook_table).where(is_it).values(**known, version=version + 1))
    if not changed.rowcount:
        raise Refused(f"it is at version {present.version} by now")
    return one(connection, webhook_id)


def remove(connection: Connection, webhook_id: str) -> None:
    """Forget a webhook and its deliveries. Raises `NotFound`."""
    one(connection, webhook_id)
    connection.execute(delete(delivery_table).where(delivery_table.c.webhook_id == webhook_id))
    connection.execute(delete(webhook_table).where(webhook_table.c.id == webhook_id))


def plan(connection: Connection, planned: Sequence[Planned], now: datetime) -> None:
    """Write down what is to be delivered, to be tried at once."""
    run(
        connection,
        """
        INSERT INTO webhook_delivery (webhook_id, event_id, type, body, status, attempts, created_at, due_at)
        SELECT webhook_id, event_id, type, body, 'waiting', 0, CAST(:now AS timestamptz), CAST(:now AS timestamptz)
          FROM json_to_recordset(:rows) AS r(webhook_id text, event_id text, type text, body text)
        """,
        [
            {"webhook_id": each.webhook_id, "event_id": each.event_id, "type": each.type, "body": each.body}
            for each in planned
        ],
        now=now,
    )


def due(connection: Connection, now: datetime, most_each: int, but: Collection[int]) -> Sequence[Delivery]:
    """Return what is due *now* and not among *but*, *most_each* for each webhook that is not disabled, the earliest first."""
    rows = connection.execute(
        text(
            "SELECT due.* FROM webhook, LATERAL (SELECT * FROM webhook_delivery WHERE webhook_id = webhook.id"
            " AND status = 'waiting' AND due_at <= :now AND NOT id = ANY(CAST(:but AS bigint[]))"
            " ORDER BY due_at, id LIMIT :most) AS due WHERE webhook.disabled_at IS NULL"
        ),
        {"now": now, "but": list(but), "most": most_each},
    )
    return [_delivery(row) for row in rows]


def settle(connection: Connection, ended: Sequence[tuple[Delivery, Outcome, Verdict]], now: datetime) -> None:
    """Write down how attempts ended, and disable the webhooks that are gone, or took nothing for too long."""
    _locked(connection, delivery_table.c.id.in_([delivery.id for delivery, _, _ in ended]))
    run(
        connection,
        """
        UPDATE webhook_delivery AS known
           SET status = CASE WHEN is_over AND r.status = 'waiting' THEN 'dead' ELSE r.status END,
               due_at = CASE WHEN NOT is_over THEN r.due_at END,
               ended_at = CASE WHEN is_over OR r.status <> 'waiting' THEN CAST(:now AS timestamptz) END,
               attempts = known.attempts + 1, status_code = r.code, took_ms = r.took_ms, error = r.error
          FROM json_to_recordset(:rows)
               AS r(id bigint, status text, due_at timestamptz, code int, took_ms int, error text),
               webhook, LATERAL (SELECT webhook.disabled_at IS NOT NULL AS is_over) AS disabled
         WHERE known.id = r.id AND webhook.id = known.webhook_id
        """,
        [
            {
                "id": delivery.id,
                "status": verdict.status.value,
                "due_at": verdict.due_at,
                "code": outcome.status,
                "took_ms": round(outcome.took.total_seconds() * 1_000),
                "error": outcome.detail[:ERROR_LENGTH_MAX] or None,
            }
            for delivery, outcome, verdict in ended
        ],
        now=now,
    )
    well = {delivery.webhook_id for delivery, outcome, _ in ended if outcome.is_taken}
    ill = {delivery.webhook_id for delivery, _, _ in ended} - well
    _note(connection, well, ill, now)
    gone = {delivery.webhook_id: verdict.disables for delivery, _, verdict in ended if verdict.disables}
    for webhook_id, reason in gone.items():
        disable(connection, [webhook_id], reason, now)
    silent = webhook_table.c.id.in_(ill) & (webhook_table.c.failing_since <= now - FAILING_MAX)
    disable(connection, list(connection.execute(select(webhook_table.c.id).where(silent)).scalars()), SILENT, now)


def disable(connection: Connection, webhook_ids: Collection[str], reason: str, now: datetime) -> None:
    """Send nothing to these any more; what waits for them is given up, and can be sent again once they are enabled."""
    is_one = webhook_table.c.id.in_(webhook_ids) & webhook_table.c.disabled_at.is_(None)
    values = {"disabled_at": now, "disabled_reason": reason, "version": webhook_table.c.version + 1}
    disabled = connection.execute(update(webhook_table).where(is_one).values(values).returning(webhook_table.c.id))
    waiting = delivery_table.c.webhook_id.in_([row.id for row in disabled]) & (
        delivery_table.c.status == Status.WAITING.value
    )
    given_up = {"status": Status.DEAD.value, "due_at": None, "ended_at": now, "error": f"disabled: {reason}"}
    connection.execute(update(delivery_table).where(waiting).values(given_up))


def log(
    connection: Connection, webhook_id: str, status: Status | None, after: int | None, most: int
) -> Sequence[Delivery]:
    """Return up to *most* deliveries to a webhook, the latest first, from behind the one *after*."""
    wanted = select(delivery_table).where(delivery_table.c.webhook_id == webhook_id)
    if status is not None:
        wanted = wanted.where(delivery_table.c.status == status.value)
    if after is not None:
        wanted = wanted.where(delivery_table.c.id < after)
    return [_delivery(row) for row in connection.execute(wanted.order_by(delivery_table.c.id.desc()).limit(most))]


def delivery(connection: Connection, webhook_id: str, delivery_id: int) -> Delivery:
    """Return one delivery. Raises `NotFound`."""
    is_it = (delivery_table.c.id == delivery_id) & (delivery_table.c.webhook_id == webhook_id)
    row = connection.execute(select(delivery_table).where(is_it)).one_or_none()
    if row is None:
        raise NotFound("there is no such delivery")
    return _delivery(row)


def resend(connection: Connection, webhook_id: str, delivery_id: int, now: datetime) -> None:
    """Let one delivery be tried again at once, from the beginning of the schedule, whatever became of it."""
    is_it = (delivery_table.c.id == delivery_id) & (delivery_table.c.webhook_id == webhook_id)
    connection.execute(update(delivery_table).where(is_it).values(_anew(now)))


def resend_all(connection: Connection, webhook_id: str, since: datetime, now: datetime) -> int:
    """Let all that was not taken be tried again at once, of what was announced since then, and return how many."""
    are_they = (
        (delivery_table.c.webhook_id == webhook_id)
        & (delivery_table.c.status != Status.DONE.value)
        & (delivery_table.c.created_at >= since)
    )
    ids = _locked(connection, are_they)
    connection.execute(update(delivery_table).where(delivery_table.c.id.in_(ids)).values(_anew(now)))
    return len(ids)


def forget(connection: Connection, now: datetime) -> int:
    """Remove deliveries that ended long ago, and return how many, `FORGET_ROWS_MAX` at most."""
    return connection.execute(
        text(
            "DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM webhook_delivery"
            " WHERE ended_at < :done AND (status = 'done' OR ended_at < :dead) LIMIT :most)"
        ),
        {"done": now - DONE_KEPT, "dead": now - DEAD_KEPT, "most": FORGET_ROWS_MAX},
    ).rowcount


def counts(connection: Connection) -> tuple[int, int]:
    """Return how many webhooks are disabled, and how many deliveries were given up."""
    row = connection.execute(
        text(
            "SELECT (SELECT count(*) FROM webhook WHERE disabled_at IS NOT NULL),"
            " (SELECT count(*) FROM webhook_delivery WHERE status = 'dead')"
        )
    ).one()
    return row[0], row[1]


def _locked(connection: Connection, are_they: ColumnElement[bool]) -> Sequence[int]:
    """Lock deliveries, always in one order: those who settle and those who ask for more never wait in a circle."""
    wanted = select(delivery_table.c.id).where(are_they).order_by(delivery_table.c.id).with_for_update()
    return connection.execute(wanted).scalars().all()


def _note(connection: Connection, well: Collection[str], ill: Collection[str], now: datetime) -> None:
    connection.execute(
        text("UPDATE webhook SET failing_since = NULL WHERE id = ANY(:ids) AND failing_since IS NOT NULL"),
        {"ids": sorted(well)},
    )
    connection.execute(
        text("UPDATE webhook SET failing_since = :now WHERE id = ANY(:ids) AND failing_since IS NULL"),
        {"ids": sorted(ill), "now": now},
    )


def _anew(now: datetime) -> dict[str, Any]:
    return {"status": Status.WAITING.value, "attempts": 0, "due_at": now, "ended_at": None}


def _columns(webhook: Webhook) -> dict[str, Any]:
    columns = {column.name: getattr(webhook, column.name) for column in webhook_table.columns}
    return {**columns, "types": sorted(webhook.types) if webhook.types is not None else None}


def _webhook(row: AnyRow) -> Webhook:
    return Webhook(**{**row._mapping, "types": frozenset(row.types) if row.types is not None else None})


def _delivery(row: AnyRow) -> Delivery:
    return Delivery(**{**row._mapping, "status": Status(row.status)})
