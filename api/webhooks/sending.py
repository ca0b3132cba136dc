"""Sending to an address that a subscriber named, by Standard Webhooks: signed, within bounds, and never into our own network."""

import asyncio
import base64
import secrets
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import httpcore
from standardwebhooks import Webhook as Signer

from api.webhooks.schedule import RETRY_AFTER_MAX, Outcome
from api.webhooks.store import Webhook
from core import cloudevents
from core.clock import Clock
from core.errors import Refused
from core.outbound import Allowed, Guarded
from core.sealed import FOR_EVER, Seal

TIMEOUT_SECONDS = 15.0
ANSWER_BYTES_MAX = 64 << 10
CONNECTIONS_MAX = 2_000  # as many webhooks as there may be, with as many under way as each may have
SECRET_BYTES = 32
OLD_SECRET_KEPT = timedelta(hours=24)


class Secrets:
    """The secrets of webhooks, as they are shown once (`whsec_…`), and sealed, as they are kept."""

    def __init__(self, signing_key: bytes, clock: Clock) -> None:
        self._seal = Seal(signing_key, "webhook secrets", FOR_EVER)
        self._clock = clock

    def made(self) -> tuple[str, str]:
        """Return a new secret, and the same one sealed."""
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
        return secret, self._seal.written({"secret": secret}, self._clock())

    def signature(self, webhook: Webhook, event_id: str, body: str) -> tuple[str, str]:
        """Return the time, in seconds, and the signatures by every secret that holds now, divided by spaces."""
        now = self._clock()
        old = webhook.old_secret if webhook.old_secret_until and now < webhook.old_secret_until else None
        opened = [self._opened(sealed, now) for sealed in (webhook.secret, old) if sealed]
        return str(int(now.timestamp())), " ".join(Signer(secret).sign(event_id, now, body) for secret in opened)

    def _opened(self, sealed: str, now: datetime) -> str:
        noted = self._seal.read(sealed, now)
        if noted is None:
            raise Refused("its secret was sealed under another SIYU_SECRET_KEY: rotate it")
        return noted["secret"]


class Sender:
    """Sends one announcement to one webhook at a time, as often as it is asked to at once. Used in one event loop."""

    def __init__(self, kept: Secrets, allowed: Allowed, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.allowed = allowed
        self.secrets = kept
        self._timeout_seconds = timeout_seconds
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=CONNECTIONS_MAX, keepalive_expiry=30.0, network_backend=Guarded(allowed)
        )

    async def send(self, webhook: Webhook, event_id: str, body: str) -> Outcome:
        """Send, and return how that ended; whatever goes wrong on the way is an outcome too."""
        began = time.perf_counter()
        status, retry_after, detail = None, None, ""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status, retry_after = await self._post(webhook, event_id, body)
        except Refused as error:
            detail = str(error)
        except TimeoutError:
            detail = f"no whole answer within {self._timeout_seconds:g} s"
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
            detail = "it could not be connected to, or broke off"
        if status is not None and not 200 <= status < 300:
            detail = f"it answered {status}"
        return Outcome(status, detail, timedelta(seconds=time.perf_counter() - began), retry_after)

    async def _post(self, webhook: Webhook, event_id: str, body: str) -> tuple[int, timedelta | None]:
        at, signatures = self.secrets.signature(webhook, event_id, body)
        headers: Mapping[bytes | str, bytes | str] = {
            "Content-Type": cloudevents.STRUCTURED,
            "User-Agent": "Siyu",
            "webhook-id": event_id,
            "webhook-timestamp": at,
            "webhook-signature": signatures,
        }
        content = body.encode()
        async with self._pool.stream("POST", webhook.url, headers=headers, content=content) as answer:
            read = 0
            async for chunk in answer.aiter_stream():
                read += len(chunk)
                if read > ANSWER_BYTES_MAX:
                    break
            return answer.status, _retry_after(answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.aclose()


def _retry_after(answer: httpcore.Response) -> timedelta | None:
    """Return how long an answer asks us to wait, where it says so in seconds."""
    for name, value in answer.headers:
        if name.lower() == b"retry-after" and answer.status in (429, 503) and value.isdigit() and len(value) < 10:
            return min(timedelta(seconds=int(value)), RETRY_AFTER_MAX)
    return None
