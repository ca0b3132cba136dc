"""What routes and commands do with webhooks: name an address, give it another secret, try whether it takes anything."""

import secrets
from datetime import datetime

from sqlalchemy import Connection

from api.members import SEGMENTS
from api.webhooks import store
from api.webhooks.schedule import Outcome
from api.webhooks.schemas import WebhookNew
from api.webhooks.sending import OLD_SECRET_KEPT, Sender
from api.webhooks.store import Webhook
from core import cloudevents
from core.outbound import check_url
from core.outbox import Announcement
from profiles.segments import store as segments

TEST = "siyu.test.v1"


def check(connection: Connection, sender: Sender, url: str | None, segment: str | None) -> None:
    """Raise `Refused` for an address not to be gone to, and `NotFound` where there is no such segment."""
    if url is not None:
        check_url(url, sender.allowed)
    if segment is not None:
        segments.one(connection, segment, SEGMENTS)


def add(connection: Connection, sender: Sender, new: WebhookNew, by: str, now: datetime) -> tuple[str, Webhook]:
    """Keep a webhook, and return its secret, which cannot be had again, and what is kept. Raises as `check`, and `Refused`."""
    check(connection, sender, new.url, new.segment)
    secret, sealed = sender.secrets.made()
    webhook = Webhook(
        id=secrets.token_hex(8),
        url=new.url,
        types=frozenset(new.types) if new.types is not None else None,
        segment=new.segment,
        description=new.description,
        secret=sealed,
        old_secret=None,
        old_secret_until=None,
        version=1,
        created_at=now,
        created_by=by,
        failing_since=None,
        disabled_at=None,
        disabled_reason=None,
    )
    store.add(connection, webhook)
    return secret, webhook


def rotate(connection: Connection, sender: Sender, webhook_id: str, now: datetime) -> tuple[str, Webhook]:
    """Give a webhook another secret, and return that and the webhook; the one before signs for a while. Raises `NotFound`."""
    present = store.one(connection, webhook_id)
    secret, sealed = sender.secrets.made()
    fields = {"secret": sealed, "old_secret": present.secret, "old_secret_until": now + OLD_SECRET_KEPT}
    return secret, store.change(connection, webhook_id, present.version, fields)


async def attempt(sender: Sender, webhook: Webhook, by: str, now: datetime) -> Outcome:
    """Send a `TEST` to a webhook at once, whether it is disabled or not, and return how that ended."""
    event_id = f"test_{secrets.token_hex(8)}"
    value = {"webhook_id": webhook.id, "sent_by": by, "as_of": now.isoformat()}
    told = cloudevents.structured(Announcement(TEST, webhook.id, event_id, TEST, now, value))
    return await sender.send(webhook, event_id, told.decode())
