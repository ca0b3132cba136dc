"""Webhooks of anybody who signs by Standard Webhooks: `/collect/webhook/{source}`.

The body is an event as `POST /v1/events` takes it, several as `{"events": […]}`, or, where the account declares
`columns`, an object of the sender's own, from which the columns are picked by their paths.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field, field_validator

from core.errors import Forbidden, InvalidEvent
from core.problems import OF_CALLBACKS, raises
from core.raw import RawRoute
from ingest.account import Account
from ingest.callback import Accounted, Callback, Document
from ingest.http import EVENTS_MAX
from ingest.intake import Intake
from ingest.layout import Columns, Layout
from ingest.proof import check_fresh, hmac_base64, is_same, json_object
from ingest.taking import known, take

STALE_MAX = timedelta(minutes=5)  # as the specification says; each try is signed anew
ID_LENGTH_MAX = 200
SIGNATURES_MAX = 20

_PREFIX = "whsec_"
_SECRET_BYTES_MIN = 24


class WebhookAccount(Account):
    """Somebody who signs: by any of *secrets*, so that one can be replaced while the other still holds.

    *columns* lead from a path in his own objects (`data.order.no`) to a field of an event, as those of a CSV file do.
    """

    secrets: Annotated[tuple[str, ...], Field(min_length=1)]
    columns: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, str] = Field(default_factory=dict)
    zone: Annotated[str, Field(pattern=r"^(|Z|[+-]\d\d:\d\d)$")] = ""

    def path(self, family: str, name: str) -> str:
        """Return its address, which has the word for one webhook where the file has that for many."""
        return super().path(family.removesuffix("s"), name)

    @field_validator("secrets", mode="before")
    @classmethod
    def _listed(cls, written: Any) -> Any:
        return tuple(written.split()) if isinstance(written, str) else written

    @field_validator("secrets")
    @classmethod
    def _are_keys(cls, written: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(key_of(secret)) < _SECRET_BYTES_MIN for secret in written):
            raise ValueError(f"a secret is {_PREFIX} and at least {_SECRET_BYTES_MIN} bytes in base64")
        return written


@dataclass(frozen=True)
class Webhook(Accounted[WebhookAccount]):
    """The protocol of the account called *name*; *namespaces* are those of identifiers that its columns may name."""

    family = "webhook"

    namespaces: Mapping[str, object]

    @cached_property
    def _columns(self) -> Columns | None:
        account = self.account
        layout = Layout(account.columns, account.constants, account.zone)
        return Columns([*account.columns], layout, self.namespaces) if account.columns else None

    def proven(self, callback: Callback) -> bytes:
        """Return the body, signed together with its id and its time."""
        headers = callback.headers
        webhook_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not webhook_id:
            raise Forbidden("a webhook has an id")
        check_fresh(stamp, callback.received_at, STALE_MAX)
        given = headers.get("webhook-signature", "").split()[:SIGNATURES_MAX]
        content = f"{webhook_id}.{stamp}.".encode() + callback.body
        expected = [f"v1,{hmac_base64(key_of(secret), content)}" for secret in self.account.secrets]
        if not any(is_same(one, other) for one in given for other in expected):
            raise Forbidden("the signature is not that of the account")
        return callback.body

    def documents(self, content: bytes, callback: Callback) -> Sequence[Document]:
        """Return the events; those that have no id get the webhook's, which is the same when it is sent again."""
        told = json_object(content)
        webhook_id = callback.headers["webhook-id"][:ID_LENGTH_MAX]
        if self._columns is not None:
            mapped = self._columns.document([_cell(told, path) for path in self.account.columns])
            return [{"id": webhook_id} | mapped]
        if "events" in told:
            return [_identified(one, f"{webhook_id[: ID_LENGTH_MAX - 4]}-{at}") for at, one in enumerate(_listed(told))]
        return [_identified(told, webhook_id)]


def routes(intake: Intake, accounts: Mapping[str, WebhookAccount], public_url: str) -> APIRouter:
    """Return the addresses to give to senders, one for each account."""
    namespaces = intake.receiver.namespaces
    webhooks = {name: Webhook(name, account, namespaces) for name, account in accounts.items()}
    router = APIRouter(
        prefix="/collect/webhook", tags=["collecting"], route_class=RawRoute, default_response_class=Response
    )

    @router.post("/{source}")
    @raises(*OF_CALLBACKS)
    async def collect_webhook(request: Request) -> Response:
        """Take a webhook signed by Standard Webhooks; 200 means that the log has its events."""
        return await take(known(webhooks, request.path_params["source"], "source"), request, intake, public_url)

    return router


def key_of(secret: str) -> bytes:
    """Return the key that *secret* (`whsec_…`) writes. Raises `ValueError` where it is none."""
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret is base64") from None


def _listed(told: Mapping[str, Any]) -> Sequence[Any]:
    listed = told["events"]
    if not isinstance(listed, list) or len(listed) > EVENTS_MAX:
        raise InvalidEvent("too_many_events", f"the events are a list of at most {EVENTS_MAX}", "/events")
    return listed


def _identified(told: Any, event_id: str) -> Any:
    return {"id": event_id} | told if isinstance(told, dict) else told


def _cell(told: Mapping[str, Any], path: str) -> str:
    """Return what stands at *path* as a file would write it; empty where there is nothing, or more than one thing."""
    value: Any = told
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""
