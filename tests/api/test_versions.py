"""Who changes something says which version he has seen, and who has seen the present one is not sent it again."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.webhooks.receiver import receiving
from tests.api.world import World

Made = Callable[[httpx.Client, World], str]
Change = Callable[[httpx.Client, str, dict[str, str]], httpx.Response]

READ, ORDERED = {"kind": "read"}, {"kind": "ordered"}


def segment(client: httpx.Client, _: World) -> str:
    client.post("/v1/segments", json={"name": "some", "when": READ})
    return "/v1/segments/some"


def stages(client: httpx.Client, _: World) -> str:
    client.post("/v1/stages", json={"name": "some", "kind": "stages", "bands": [{"name": "one", "when": READ}]})
    return "/v1/stages/some"


def lead(client: httpx.Client, world: World) -> str:
    world.happens("user_id:A")
    opened = client.post("/v1/leads", json={"person_id": world.person("user_id:A")})
    return f"/v1/leads/{opened.json()['id']}"


def webhook(client: httpx.Client, _: World) -> str:
    with receiving() as receiver:
        return f"/v1/webhooks/{client.post('/v1/webhooks', json={'url': receiver.url}).json()['id']}"


def put(**body: Any) -> Change:
    return lambda client, address, headers: client.put(address, json=body, headers=headers)


def patch(**body: Any) -> Change:
    return lambda client, address, headers: client.patch(address, json=body, headers=headers)


@pytest.mark.parametrize(
    ("made", "change"),
    [
        (segment, put(when=ORDERED)),
        (stages, put(bands=[{"name": "two", "when": ORDERED}])),
        (lead, patch(version=1, note="called")),
        (webhook, patch(version=1, description="the warehouse")),
    ],
)
def test_a_version_is_named_known_and_expected(
    administrator: httpx.Client, world: World, made: Made, change: Change
) -> None:
    address = made(administrator, world)
    first = administrator.get(address)
    seen = first.headers["etag"]
    assert administrator.get(address, headers={"If-None-Match": seen}).status_code == 304

    refused = change(administrator, address, {"If-Match": '"7.other"'})
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert administrator.get(address).json() == first.json()

    changed = change(administrator, address, {"If-Match": seen})
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] != seen
    assert administrator.get(address, headers={"If-None-Match": seen}).status_code == 200
    assert change(administrator, address, {"If-Match": seen}).status_code == 412


@pytest.mark.parametrize("made", [segment, stages, webhook])
def test_what_somebody_else_has_changed_is_not_removed(administrator: httpx.Client, world: World, made: Made) -> None:
    address = made(administrator, world)

    assert administrator.delete(address, headers={"If-Match": '"7.other"'}).status_code == 412
    assert administrator.delete(address, headers={"If-Match": "*"}).status_code == 204
