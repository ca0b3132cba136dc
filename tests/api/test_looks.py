"""Every look in clear, at every route there is: without `people:read_pii` nothing says who somebody is; with it, whatever does is
written down first. The routes are those of the application: a new one that cannot be asked by what stands here fails."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from core import audit
from core.audit import Wanted
from core.database import transaction
from core.directive import Kind
from core.event import Trust
from core.keys import Key, Scope, create
from profiles import intent, traits
from profiles.segments.judging import Rules
from profiles.segments.watching import Watch
from scripts import access
from tests.api.client import asking
from tests.api.exporting import impatient, made
from tests.api.world import NOW, World, index

__all__ = ["impatient"]  # a fixture

pytestmark = pytest.mark.usefixtures("impatient")

PHONE, MAIL, OPENID = "phone:+8613912345678", "email:secretly@example.com", "wechat_openid@wx1:oSecretOpenId"
USER, KIOSK = "user_id:secret-user", "device_id@oaid:secret-kiosk"
SECRETS = ["13912345678", "secretly@example.com", "oSecretOpenId", "secret-user", "secret-kiosk", "韩梅梅梅"]
ARTICLE = {"id": "a-1", "title": "秋季选型指南"}
READERS = {"kind": "read"}
NOBODY = "00000000-0000-4000-8000-000000000000"
BANDS = [{"name": "reader", "when": READERS}]
MASKED = sorted(frozenset(Scope) - {Scope.ADMIN, Scope.PEOPLE_READ_PII})

ADMINISTRATORS = {"GET /metrics", "GET /v1/keys", "GET /v1/keys/{key_id}/sessions"}
ENDLESS = {"GET /v1/stream"}  # tells ids alone; who asks for no place is told so


@dataclass
class Lived:
    """A world in which there is something to see at every route, and how that is asked for."""

    world: World
    names: dict[str, str] = field(default_factory=dict)
    identifiers: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)

    def asked(self, client: httpx.Client, name: str, key: Key) -> httpx.Response:
        """The answer to the owner of *key* at the route *name*."""
        method, _, path = name.partition(" ")
        place = path.split("/")[2] if path.count("/") > 1 else ""
        names = {**self.names, "name": place, "job_id": self.jobs.get(key.id, "")}
        if path.startswith("/v1/people") and path.endswith("{name}"):
            names["name"] = "vip"
        url = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: names.get(found[1], NOBODY), path)
        headers = {"Last-Event-ID": "no place"} if name in ENDLESS else {}
        return client.request(method, url, json=self.bodies.get(name), params=self.queries.get(name), headers=headers)

    @property
    def bodies(self) -> dict[str, Any]:
        """What is sent to those that want a body; nothing of it says who somebody is."""
        person = self.names["person_id"]
        day = {"as_of": NOW.isoformat()}
        return {
            "POST /v1/decisions/can-send": {"channel": "sms", "person_id": person},
            "POST /v1/directives": {"kind": "block", "identifiers": ["phone:+8613900000000"], "why": "a switchboard"},
            "POST /v1/do-not-contact": {"identifiers": ["phone:+8613900000000"], "reason": "asked"},
            "POST /v1/exports": {"what": "people"},
            "POST /v1/keys": {"name": "n", "role": "viewer"},
            "POST /v1/keys/{key_id}/rotate": {},
            "POST /v1/leads": {"person_id": person},
            "PATCH /v1/leads/{lead_id}": {"version": 1, "note": "called"},
            "POST /v1/metrics/funnel": {"steps": [{"types": ["article.read"]}], "within_days": 1},
            "POST /v1/people/lookup": {"identifiers": ["phone:+8613900000000"]},
            "POST /v1/people/merge": {"identifiers": ["user_id:a", "user_id:b"], "why": "he said so"},
            "POST /v1/people/{person_id}/identity/why": {"from": PHONE, "to": MAIL},
            "POST /v1/people/{person_id}/split": {"why": "they are two"},
            "POST /v1/people/{person_id}/tags": {"tag": "vip"},
            "PUT /v1/articles/{article_id}/official-counts": {"reads": 9, "readers": 9, **day},
            "POST /v1/segments": {"name": "others", "when": READERS},
            "POST /v1/segments/preview": {"when": READERS},
            "PUT /v1/segments/{name}": {"when": READERS},
            "POST /v1/session": {"key": "unheard"},
            "POST /v1/webhooks": {"url": "http://127.0.0.1:2/hook"},
            "PATCH /v1/webhooks/{webhook_id}": {"description": "ours"},
            "POST /v1/stages": {"name": "more", "kind": "stages", "bands": BANDS},
            "POST /v1/stages/simulate": {"name": "more", "kind": "stages", "bands": BANDS},
            "PUT /v1/stages/{name}": {"bands": BANDS},
        }

    @property
    def queries(self) -> dict[str, dict[str, str]]:
        """What must be asked for by the words of an address."""
        person = {"person": self.names["person_id"]}
        return {
            "GET /v1/people/{person_id}/identity/why": {
                "from": self.identifiers[PHONE],
                "to": self.identifiers[MAIL],
            },
            "GET /v1/segments/{name}/explain": person,
            "GET /v1/segments/{name}/overlap": {"with": "segments"},
            "GET /v1/stages/{name}/explain": person,
            "GET /v1/metrics/attribution": {"conversion": "article.read"},
            "POST /v1/directives": {"preview": "true"},
            "POST /v1/people/merge": {"preview": "true"},
            "POST /v1/people/{person_id}/split": {"preview": "true"},
        }


@pytest.fixture
def lived(world: World, administrator: httpx.Client) -> Lived:
    """Han Meimei, of whom we know much, the kiosk that she shares with another, and what was decided about her."""
    happens = world.happens
    happens(USER, PHONE, MAIL, type="form.submitted", properties={"name": "韩梅梅梅", "phone": "+8613912345678"})
    happens(
        USER, OPENID, type="identify", properties={"name": "韩梅梅梅"}, company={"name": "四域", "domain": "x.example"}
    )
    happens(USER, type="consent.given", channel="sms", properties={"purpose": "marketing", "channel": "sms"}, minute=1)
    happens(USER, type="article.read", article=ARTICLE, minute=2)
    happens(USER, type="article.shared", article=ARTICLE, share={"token": "s1"}, minute=3)
    happens("user_id:reader", type="article.read", article=ARTICLE, share={"token": "s1"}, minute=4)
    happens(USER, KIOSK, minute=5)
    happens("user_id:reader", KIOSK, minute=6)
    world.decide(Kind.CANNOT_LINK, PHONE, KIOSK)
    person = world.person(USER)
    blocked = administrator.post("/v1/do-not-contact", json={"identifiers": [MAIL], "reason": "asked"}).json()["data"]
    lead = administrator.post("/v1/leads", json={"person_id": person}).json()
    for name in ("segments", "stages"):  # each called as the part of the address under which it stands
        asked = {"when": READERS} if name == "segments" else {"kind": "stages", "bands": BANDS}
        assert administrator.post(f"/v1/{name}", json={"name": name, **asked}).status_code == 201
    webhook = administrator.post("/v1/webhooks", json={"url": "http://127.0.0.1:1/hook"}).json()
    Watch(world.engine, Rules(intent.shipped(), traits.shipped()), clock=lambda: NOW).drain()
    names = {
        "person_id": person,
        "article_id": ARTICLE["id"],
        "company_id": administrator.get("/v1/companies").json()["data"][0]["id"],
        "lead_id": lead["id"],
        "directive_id": administrator.get("/v1/directives").json()["data"][0]["id"],
        "identifier_id": blocked[0]["id"],
        "webhook_id": webhook["id"],
    }
    return Lived(world, names, {each: index(each) for each in (PHONE, MAIL, USER)})


def in_order(app: FastAPI) -> list[str]:
    """All routes: first those that change nothing, at last those that take something away."""
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return sorted((name for name, _ in access.operations(app)), key=lambda name: methods.index(name.partition(" ")[0]))


def maker(lived: Lived, *scopes: Scope) -> tuple[str, Key]:
    with transaction(lived.world.engine) as connection:
        return create(connection, scopes, "tests", Trust.SERVER, NOW)


def looks(lived: Lived, key: Key) -> int:
    with transaction(lived.world.engine) as connection:
        return len(audit.listing(connection, None, 1_000, Wanted(key=key.id)))


def seen(answer: httpx.Response) -> set[str]:
    """What an answer says of who somebody is."""
    return {secret for secret in SECRETS if secret in answer.text}


def test_no_route_says_who_somebody_is_to_whom_it_must_not(app: FastAPI, lived: Lived) -> None:
    secret, key = maker(lived, *MASKED)
    with asking(app, secret) as client:
        lived.jobs[key.id] = made(client, lived.world.engine, what="people", format="ndjson")["id"]

        for name in in_order(app):
            answer = lived.asked(client, name, key)
            assert (name, seen(answer)) == (name, set())
            if name.startswith("GET") and name not in ADMINISTRATORS | ENDLESS:
                assert answer.status_code == 200, (name, answer.text)


def test_at_every_route_that_does_it_is_written_down_first(app: FastAPI, lived: Lived) -> None:
    secret, key = maker(lived, *MASKED, Scope.PEOPLE_READ_PII)
    told = set()
    with asking(app, secret) as client:
        wish = {"what": "people", "format": "ndjson", "clear": True}
        lived.jobs[key.id] = made(client, lived.world.engine, **wish)["id"]

        for name in in_order(app):
            before = looks(lived, key)
            answer = lived.asked(client, name, key)
            if seen(answer):
                told.add(name)
                assert (name, looks(lived, key)) == (name, before + 1)
    assert {
        "GET /v1/people/{person_id}",
        "GET /v1/people/{person_id}/timeline",
        "GET /v1/people/{person_id}/identity",
        "GET /v1/people/{person_id}/reach",
        "GET /v1/articles/{article_id}/readers",
        "GET /v1/companies/{company_id}/people",
        "GET /v1/segments/{name}/people",
        "GET /v1/leads",
        "GET /v1/directives",
        "GET /v1/jobs/{job_id}/result",
    } <= told
