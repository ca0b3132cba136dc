"""What is asked of directives, and how answers are read."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from sqlalchemy import Engine, text

from api.schemas import DirectiveOut
from core.database import metadata, transaction
from core.event import Event

A, B = "user_id:A", "user_id:B"
PHONE, MAIL, COOKIE = "phone:+8613912345678", "email:jane@example.com", "anonymous_id@h5:c-1"
OPENID = "wechat_openid@wx1:oXYabcdefg"
Json = dict[str, Any]


def decided(answer: httpx.Response) -> Json:
    assert answer.status_code == 200, answer.text
    told = dict(answer.json())
    assert told.keys() == DirectiveOut.model_fields.keys()
    assert told["carried_out_at"]
    return told


def decide(client: httpx.Client, kind: str, *identifiers: str, **target: Any) -> Json:
    wish = {"kind": kind, "why": "because", **({"identifiers": identifiers} if identifiers else {}), **target}
    return decided(client.post("/v1/directives", json=wish))


def told(client: httpx.Client, path: str, **body: Any) -> Json:
    answer = client.post(path, params={"preview": True}, json={"why": "because", **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def parts(people: list[Json]) -> set[tuple[frozenset[str], int, int]]:
    return {
        (frozenset(each["identifier"] for each in part["identifiers"]), part["events"], part["orders"])
        for part in people
    }


def everything(engine: Engine) -> Mapping[str, Sequence[Any]]:
    """All rows but those that say who looked."""
    with transaction(engine) as connection:
        return {
            table: sorted(connection.execute(text(f'SELECT * FROM "{table}"')).all(), key=str)
            for table in metadata.tables.keys() - {"audit"}
        }


def name(event: Event) -> Json:
    return {"source": event.source, "id": event.id}
