"""Webhooks by Standard Webhooks; the library of the specification is the signer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook

from ingest.channels import Channels
from siyu.simulators.webhook import headers
from tests.ingest.given import NOW
from tests.ingest.signed import WHSEC, Request, collecting, post, webhooked

PATH = "/collect/webhook/crm"
NEW = "whsec_" + "QUFB" * 8
EVENT = {"type": "form.submitted", "channel": "web", "occurred_at": "2026-11-03T20:41:07+08:00"}


def signed(secret: str, told: Any, webhook_id: str = "msg_1", at: datetime = NOW) -> Request:
    """What the specification's own library makes of *told*."""
    body = orjson.dumps(told)
    signature = Webhook(secret).sign(webhook_id, at.replace(tzinfo=None), body.decode())
    stamp = str(int(at.timestamp()))
    return body, {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": signature}


def test_the_public_vector_is_what_we_sign_and_accept() -> None:
    body, at = b'{"test": 2432232314}', 1614265330
    made = headers(WHSEC, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    to = collecting(datetime.fromtimestamp(at, UTC))

    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert post(to, PATH, (body, made)).status_code == 200
    assert len(to.quarantined) == 1, "it is proven, and no event"


def test_what_the_specifications_library_signs_is_taken() -> None:
    to = collecting()

    assert post(to, PATH, signed(WHSEC, EVENT)).status_code == 200
    assert [(event["id"], event["type"]) for event in to.events] == [("msg_1", "form.submitted")]


def test_a_secret_is_replaced_while_the_old_one_still_holds() -> None:
    to = collecting(webhooks={"crm": {"secrets": [NEW, WHSEC]}})
    body, old = signed(WHSEC, EVENT)
    _, new = signed(NEW, EVENT)
    both = {**old, "webhook-signature": f"v1a,unknown {new['webhook-signature']} {old['webhook-signature']}"}

    assert [post(to, PATH, (body, one)).status_code for one in (old, new, both)] == [200, 200, 200]
    assert post(collecting(), PATH, (body, new)).status_code == 403
    assert post(collecting(), PATH, (body, both)).status_code == 200


@pytest.mark.parametrize(
    "broken",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,签名".encode().decode("latin-1")},
    ],
)
def test_id_time_and_signature_are_needed(broken: dict[str, str]) -> None:
    body, good = signed(WHSEC, EVENT)

    assert post(collecting(), PATH, (body, {**good, **broken})).status_code == 403


@pytest.mark.parametrize(("age", "status"), [(-299, 200), (299, 200), (-301, 403), (301, 403)])
def test_five_minutes_are_tolerated(age: int, status: int) -> None:
    assert post(collecting(), PATH, signed(WHSEC, EVENT, at=NOW + timedelta(seconds=age))).status_code == status


def test_several_events_come_together_and_a_bad_one_alone_is_kept_back() -> None:
    to = collecting()
    told = {"events": [EVENT, {**EVENT, "id": "own"}, {"type": "no"}, 17, EVENT]}

    assert post(to, PATH, webhooked(told)).status_code == 200
    assert [event["id"] for event in to.events] == ["msg_1-0", "own", "msg_1-4"]
    assert len(to.quarantined) == 2


LAYOUT = {
    "secrets": [WHSEC],
    "zone": "+08:00",
    "constants": {"type": "order.paid", "channel": "orders"},
    "columns": {
        "data.paid_at": "occurred_at",
        "data.order.no": "order.id",
        "data.order.fen": "order.amount",
        "data.buyer.mobile": "phone",
        "data.member": "member_id@crm",
        "data.gift": "properties.gift",
        "data.note": "properties.note",
    },
}


def test_an_object_of_the_senders_own_is_mapped_by_its_paths() -> None:
    to = collecting(webhooks={"crm": LAYOUT})
    data = {"paid_at": "2026-11-03T20:41:07", "order": {"no": "o-1", "fen": 12910}, "buyer": {"mobile": "13911112222"}}

    request = webhooked({"data": {**data, "member": 7, "gift": True, "note": None}, "more": [1]})

    assert post(to, PATH, request).status_code == 200
    (event,) = to.events
    assert (event["id"], event["type"], event["occurred_at"]) == ("msg_1", "order.paid", "2026-11-03T12:41:07Z")
    assert (event["order"]["id"], event["order"]["amount"]) == ("o-1", 12910)
    assert event["properties"] == {"gift": True}
    assert [(one["namespace"], one["value"]) for one in event["identifiers"]] == [
        ("phone", "+8613911112222"),
        ("member_id", "7"),
    ]


def test_an_object_that_lacks_what_an_event_needs_is_kept() -> None:
    to = collecting(webhooks={"crm": LAYOUT})

    assert post(to, PATH, webhooked({"data": "nothing"})).status_code == 200
    assert len(to.quarantined) == 1


@pytest.mark.parametrize("secrets", [[], ["whsec_c2hvcnQ="], ["whsec_not base64"]])
def test_an_account_without_a_good_secret_is_none(secrets: list[str]) -> None:
    with pytest.raises(ValidationError):
        Channels.model_validate({"webhooks": {"crm": {"secrets": secrets}}})


def test_secrets_may_stand_in_a_file(tmp_path: Any) -> None:
    (tmp_path / "secrets").write_text(f"{NEW}\n{WHSEC}\n")

    read = Channels.model_validate({"webhooks": {"crm": {"secrets_file": str(tmp_path / "secrets")}}})

    assert read.webhooks["crm"].secrets == (NEW, WHSEC)
