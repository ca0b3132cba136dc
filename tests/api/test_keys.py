"""Making, rotating and revoking keys over HTTP: for administrators alone, and a secret is shown once."""

from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Engine, text

from core.database import metadata, transaction
from core.keys import SCOPES, Role, Scope
from tests.api.client import asking
from tests.api.world import NOW, World


def made(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = client.post("/v1/keys", json={"name": "n", **asked})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_key_that_was_made_opens_what_its_role_may(app: FastAPI, administrator: httpx.Client) -> None:
    key = made(administrator, name="李雷", role="sales")

    assert key["scopes"] == sorted(SCOPES[Role.SALES])
    assert (key["created_by"], key["trust"], key["source"]) == ("key:admin", "server", "李雷")
    with asking(app, key["key"]) as sales:
        assert sales.get("/v1/articles").status_code == 200
        assert sales.get("/v1/keys").status_code == 403
        assert sales.get("/v1/me").json() == {
            "id": key["id"],
            "name": "李雷",
            "role": "sales",
            "scopes": key["scopes"],
            "expires_at": None,
            "session": None,
        }


def test_a_secret_is_shown_once(engine: Engine, administrator: httpx.Client) -> None:
    key = made(administrator, scopes=["admin"])

    listed = administrator.get("/v1/keys")
    (only,) = listed.json()["data"]
    assert only == {name: value for name, value in key.items() if name != "key"}
    assert key["key"] not in listed.text


def test_no_table_keeps_a_secret_whoever_tries_again(engine: Engine, administrator: httpx.Client) -> None:
    """Answers that are kept for those who send a request twice must not be these."""
    again = {"Idempotency-Key": "once"}
    made_ = administrator.post("/v1/keys", json={"name": "n", "role": "viewer"}, headers=again).json()
    rotated = administrator.post(f"/v1/keys/{made_['id']}/rotate", json={}, headers=again).json()
    cookie = administrator.post("/v1/session", json={"key": rotated["key"]}, headers=again).headers["set-cookie"]

    with transaction(engine) as connection:
        rows = [
            row
            for table in metadata.tables
            for row in connection.execute(text(f'SELECT row_to_json(t)::text FROM "{table}" AS t')).scalars()
        ]
    value = cookie.partition("=")[2].partition(";")[0]
    assert len(value) > 40
    for secret in (made_["key"], rotated["key"], value):
        assert not [row for row in rows if secret in row or secret.encode().hex() in row]


NO_KEYS: list[tuple[dict[str, Any], str]] = [
    ({"trust": "browser", "scopes": ["people:read"]}, "/scopes"),
    ({"trust": "browser", "role": "viewer"}, "/scopes"),
    ({"scopes": ["events:write"], "namespaces": ["unheard"]}, "/namespaces/0"),
    ({"role": "viewer", "expires_at": NOW.isoformat()}, "/expires_at"),
    ({}, ""),
    ({"scopes": []}, ""),
    ({"scopes": ["everything"]}, "/scopes/0"),
    ({"role": "god"}, "/role"),
    ({"role": "viewer", "name": ""}, "/name"),
    ({"role": "viewer", "name": "a\0b"}, "/name"),
    ({"role": "viewer", "id": "admin"}, "/id"),
]


def test_what_can_be_no_key_is_refused(administrator: httpx.Client) -> None:
    for asked, pointer in NO_KEYS:
        answer = administrator.post("/v1/keys", json={"name": "n", **asked})

        assert answer.status_code in (400, 422)
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert administrator.get("/v1/keys").json()["data"] == []


def test_a_rotated_key_has_two_secrets_for_as_long_as_was_asked(app: FastAPI, administrator: httpx.Client) -> None:
    old = made(administrator, role="viewer")

    new = administrator.post(f"/v1/keys/{old['id']}/rotate", json={"grace_hours": 2}).json()

    assert new["id"] == old["id"]
    assert new["former_secret_until"] == (NOW + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for secret in (old["key"], new["key"]):
        with asking(app, secret) as viewer:
            assert viewer.get("/v1/articles").status_code == 200
    assert administrator.post(f"/v1/keys/{old['id']}/rotate", json={"grace_hours": 169}).status_code == 422


def test_a_revoked_key_is_none(app: FastAPI, administrator: httpx.Client) -> None:
    key = made(administrator, role="viewer")

    assert administrator.delete(f"/v1/keys/{key['id']}").status_code == 204
    assert administrator.delete(f"/v1/keys/{key['id']}").status_code == 204

    with asking(app, key["key"]) as viewer:
        assert viewer.get("/v1/articles").status_code == 401
    assert administrator.post(f"/v1/keys/{key['id']}/rotate", json={}).status_code == 409
    assert administrator.delete("/v1/keys/unheard").status_code == 404
    assert administrator.delete("/v1/keys/admin").status_code == 404


def test_what_is_done_with_keys_is_written_down(administrator: httpx.Client) -> None:
    key = made(administrator, role="viewer")
    administrator.post(f"/v1/keys/{key['id']}/rotate", json={})
    administrator.delete(f"/v1/keys/{key['id']}")

    looks = administrator.get("/v1/audit").json()["data"]

    assert [(look["key"], look["what"], look["filters"]) for look in looks[1:]] == [
        ("admin", "DELETE /v1/keys/{key_id}", {"key_id": key["id"]}),
        ("admin", "POST /v1/keys/{key_id}/rotate", {"key_id": key["id"]}),
        ("admin", "POST /v1/keys", {}),
    ]


def test_an_administrator_for_an_hour_makes_none_for_ever(app: FastAPI, administrator: httpx.Client) -> None:
    until = (NOW + timedelta(hours=1)).isoformat()
    guest = made(administrator, role="admin", expires_at=until)

    with asking(app, guest["key"]) as client:
        assert client.post("/v1/keys", json={"name": "n", "role": "admin"}).status_code == 403
        made(client, role="admin", expires_at=until)
        made(client, scopes=["events:write"])


def test_a_key_that_only_writes_learns_not_even_who_it_is(app: FastAPI, world: World) -> None:
    with asking(app, world.key(Scope.EVENTS_WRITE)) as client:
        assert client.get("/v1/me").status_code == 403
