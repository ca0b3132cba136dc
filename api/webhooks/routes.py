"""Webhooks by HTTP: naming addresses, and seeing what became of what was sent to them."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, Field, TypeAdapter

from api import pages
from api.access import Subscriber
from api.context import Context, Here
from api.etag import Cached, Changing
from api.idempotency import Once
from api.pages import Paged
from api.reading import reading
from api.schemas import Page, PageEnd
from api.transactions import SubscriberSnapshot, Subscribing
from api.webhooks import naming, store
from api.webhooks.schedule import Status
from api.webhooks.schemas import (
    DeliveryOut,
    ResentOut,
    TriedOut,
    WebhookChange,
    WebhookMadeOut,
    WebhookNew,
    WebhookOut,
)
from api.webhooks.store import Delivery, Webhook
from core import outbox
from core.problems import raises

BY_HAND = "by hand"
ID_MAX = 2**63 - 1

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=Once)

Id = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
DeliveryId = Annotated[int, Path(ge=1, le=ID_MAX)]

_PLACE = TypeAdapter(Annotated[int, Field(ge=1, le=ID_MAX)])


@router.get("")
def listing(connection: SubscriberSnapshot) -> Page[WebhookOut]:
    """Return all webhooks, the oldest first."""
    shown = [WebhookOut(**_shown(each)) for each in store.listing(connection)]
    return Page(data=shown, page=PageEnd(next_cursor=None, has_more=False))


@router.post("", status_code=201)
@raises("not_found", "refused")
def make(asked: WebhookNew, here: Here, by: Subscriber, connection: Subscribing) -> WebhookMadeOut:
    """Name an address. Its secret is shown this once; it hears of what is announced from now on."""
    secret, webhook = naming.add(connection, here.sender, asked, f"key:{by.id}", here.clock())
    return WebhookMadeOut(**_shown(webhook), secret=secret)


@router.get("/{webhook_id}", response_model=WebhookOut)
@raises("not_found")
def show(webhook_id: Id, connection: SubscriberSnapshot, cached: Cached) -> WebhookOut | Response:
    """Return one webhook."""
    webhook = store.one(connection, webhook_id)
    return cached.answer_at(webhook.version, WebhookOut(**_shown(webhook)))


@router.patch("/{webhook_id}")
@raises("not_found", "refused")
def change(
    webhook_id: Id, wanted: WebhookChange, here: Here, connection: Subscribing, changing: Changing
) -> WebhookOut:
    """Change a webhook. Who has not seen its present version is refused."""
    changing.check(store.one(connection, webhook_id).version)
    fields: dict[str, Any] = wanted.model_dump(include=wanted.model_fields_set - {"version", "disabled"})
    naming.check(connection, here.sender, fields.get("url"), fields.get("segment"))
    if wanted.disabled is False:
        fields |= {"disabled_at": None, "disabled_reason": None, "failing_since": None}
    changed = store.change(connection, webhook_id, wanted.version, fields)
    if wanted.disabled:
        store.disable(connection, [webhook_id], BY_HAND, here.clock())
        changed = store.one(connection, webhook_id)
    return changing.answer_at(changed.version, WebhookOut(**_shown(changed)))


@router.delete("/{webhook_id}", status_code=204)
@raises("not_found")
def remove(webhook_id: Id, connection: Subscribing, changing: Changing) -> None:
    """Forget a webhook, and what was, or is to be, sent to it."""
    changing.check(store.one(connection, webhook_id).version)
    store.remove(connection, webhook_id)


@router.post("/{webhook_id}/rotate")
@raises("not_found")
def rotate(webhook_id: Id, here: Here, connection: Subscribing) -> WebhookMadeOut:
    """Give it another secret, which is shown this once. The one before signs beside it for 24 hours."""
    secret, rotated = naming.rotate(connection, here.sender, webhook_id, here.clock())
    return WebhookMadeOut(**_shown(rotated), secret=secret)


@router.post("/{webhook_id}/test")
@raises("not_found", "refused", "unavailable", "overloaded")
async def test(webhook_id: Id, here: Here, by: Subscriber) -> TriedOut:
    """Send a `siyu.test.v1` to it at once, whether it is disabled or not, and return how that ended."""
    webhook = await run_in_threadpool(_one, here, webhook_id)
    outcome = await naming.attempt(here.sender, webhook, f"key:{by.id}", here.clock())
    return TriedOut(
        taken=outcome.is_taken,
        status_code=outcome.status,
        took_ms=round(outcome.took.total_seconds() * 1_000),
        error=outcome.detail or None,
    )


@router.get("/{webhook_id}/deliveries")
@raises("not_found")
def deliveries(
    webhook_id: Id,
    connection: SubscriberSnapshot,
    asked: Paged,
    status: Annotated[Status | None, Query(description="Only those that wait, were taken, or were given up.")] = None,
) -> Page[DeliveryOut]:
    """Return what was, or is to be, sent to it, the latest first: what was taken for 7 days, what was given up for 30."""
    store.one(connection, webhook_id)
    found = store.log(connection, webhook_id, status, asked.after(_PLACE), asked.limit + 1)
    kept, following = pages.cut(found, asked.limit, lambda last: last.id)
    return asked.answer([_delivery(each) for each in kept], following)


@router.post("/{webhook_id}/deliveries/{delivery_id}/resend", status_code=202)
@raises("not_found", "refused")
def resend(webhook_id: Id, delivery_id: DeliveryId, here: Here, connection: Subscribing) -> DeliveryOut:
    """Send one again, whatever became of it: at once, and then by the schedule."""
    store.delivery(connection, webhook_id, delivery_id)
    store.check_enabled(connection, webhook_id)
    store.resend(connection, webhook_id, delivery_id, here.clock())
    outbox.wake(connection)
    return _delivery(store.delivery(connection, webhook_id, delivery_id))


@router.post("/{webhook_id}/resend", status_code=202)
@raises("not_found", "refused")
def resend_all(
    webhook_id: Id,
    here: Here,
    connection: Subscribing,
    since: Annotated[AwareDatetime, Query(description="What was announced not before this time.")],
) -> ResentOut:
    """Send all that was not taken, given up or still to be tried, again: at once, and then by the schedule."""
    store.check_enabled(connection, webhook_id)
    again = store.resend_all(connection, webhook_id, since, here.clock())
    outbox.wake(connection)
    return ResentOut(deliveries=again)


def _one(here: Context, webhook_id: str) -> Webhook:
    with reading(here.engine) as connection:
        return store.one(connection, webhook_id)


def _shown(webhook: Webhook) -> Mapping[str, Any]:
    shown = {name: getattr(webhook, name) for name in WebhookOut.model_fields}
    return {**shown, "types": sorted(webhook.types) if webhook.types is not None else None}


def _delivery(of: Delivery) -> DeliveryOut:
    return DeliveryOut(
        id=str(of.id),
        event_id=of.event_id,
        type=of.type,
        status=of.status.value,
        attempts=of.attempts,
        created_at=of.created_at,
        next_attempt_at=of.due_at,
        ended_at=of.ended_at,
        status_code=of.status_code,
        took_ms=of.took_ms,
        error=of.error,
    )
