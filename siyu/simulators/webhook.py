"""A sender by Standard Webhooks: signs each try anew, and tries again for three days."""

import base64
import hmac
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import orjson

from core.clock import Clock, system_clock
from ingest.webhooks import WebhookAccount, key_of
from siyu.simulators.posting import Post, Sleep, forged, posted
from siyu.simulators.sending import Check, Simulator

# As the specification proposes: at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
WAITS_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)


def simulator(name: str, account: WebhookAccount, clock: Clock = system_clock, sleep: Sleep = time.sleep) -> Simulator:
    """Return a sender to the account called *name*, which signs by the last of its secrets."""

    def run(client: httpx.Client) -> Iterator[Check]:
        now = clock()
        body, webhook_id = orjson.dumps(_told(account, now)), f"msg_{uuid4().hex}"
        secret = account.secrets[-1]

        def made() -> tuple[bytes, Mapping[str, str]]:
            return body, headers(secret, webhook_id, int(clock().timestamp()), body)

        def stale() -> tuple[bytes, Mapping[str, str]]:
            return body, headers(secret, webhook_id, int((clock() - timedelta(minutes=6)).timestamp()), body)

        posts = [
            Post("sends an event", made),
            Post("sends it again", made),
            Post("says something else", forged(made), 403),
            Post("replays what is old", stale, 403),
        ]
        yield from posted(client, f"/collect/webhook/{name}", posts, WAITS_SECONDS, sleep)

    return run


def headers(secret: str, webhook_id: str, stamp: int, body: bytes) -> dict[str, str]:
    """Return the headers by which *body* is signed."""
    signed = f"{webhook_id}.{stamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key_of(secret), signed, "sha256").digest()).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": str(stamp), "webhook-signature": f"v1,{signature}"}


def _told(account: WebhookAccount, now: datetime) -> dict[str, Any]:
    """Return an event or, for an account that says what the parts of its objects mean, such an object."""
    said = {
        "type": "track",
        "channel": "web",
        "occurred_at": now.isoformat(),
        "order.amount": "12900",
        "phone": "13912345678",
        "email": "reader@siyu.example",
    }
    if not account.columns:
        event = {field: said[field] for field in ("type", "channel", "occurred_at")}
        return event | {"identifiers": ["user_id@simulated:1"], "properties": {"event": "simulated"}}
    told: dict[str, Any] = {}
    for path, field in account.columns.items():
        *parents, last = path.split(".")
        part = told
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = said.get(field, "simulated1")
    return told
