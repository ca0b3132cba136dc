"""Console sessions: signing in with a key, what the cookie is good for, and what pages of others can do with it."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from api.access import Asker
from api.app import create
from api.attempts import ADDRESSES_MAX, FAILURES_MAX, WINDOW, Attempts
from api.keyring import KEYS_AGE_MAX
from core import keys
from core.console_sessions import AGE_MAX, IDLE, SESSIONS_MAX, Sessions
from core.database import transaction
from core.errors import Limited, Unauthorized
from core.key_uses import KeyUses
from core.keys import Scope
from tests.api.client import asking
from tests.api.conftest import ADMIN
from tests.api.world import INDEX, NOW, RULES, SENDER, World

HOST = "https://siyu.test"
OWN = {"Origin": HOST, "Sec-Fetch-Site": "same-origin"}


class Console:
    """An API whose time passes as a test wants it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = NOW
        self.uses = KeyUses(engine, self.clock)
        self.world = World(engine)
        self.app = self.serving(ADMIN)

    def clock(self) -> datetime:
        return self.now

    def serving(self, admin_secret: str) -> FastAPI:
        """One process more, whose administrator has this secret."""
        return create(
            self.engine,
            partial(keys.find, admin_secret=admin_secret),
            INDEX,
            RULES,
            {},
            publish=lambda _: None,
            tell=self.world.tell,
            sender=SENDER,
            console=Sessions(admin_secret=admin_secret),
            uses=self.uses,
            clock=self.clock,
        )

    def pass_by(self, time: timedelta) -> None:
        self.now += time


@pytest.fixture
def console(engine: Engine) -> Console:
    return Console(engine)


@pytest.fixture
def browser(console: Console) -> Iterator[httpx.Client]:
    with asking(console.app, at=HOST) as client:
        yield client


def signed_in(browser: httpx.Client, secret: str) -> httpx.Response:
    answer = browser.post("/v1/session", json={"key": secret}, headers=OWN)
    assert answer.status_code == 201, answer.text
    return answer


def test_the_cookie_asks_what_its_key_may(console: Console, browser: httpx.Client) -> None:
    assert browser.get("/v1/articles").status_code == 401

    me = signed_in(browser, console.world.key(Scope.PEOPLE_READ)).json()

    assert browser.get("/v1/articles").status_code == 200
    assert browser.get("/v1/keys").status_code == 403
    assert browser.get("/v1/me").json() == me
    assert me["session"]


def test_no_script_and_no_other_host_gets_the_cookie(console: Console, browser: httpx.Client) -> None:
    cookie = signed_in(browser, console.world.key(Scope.PEOPLE_READ)).headers["set-cookie"]

    name, _, _ = cookie.partition("=")
    said = {word.strip().lower() for word in cookie.split(";")[1:]}
    assert name == "__Host-siyu"
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= said
    assert not any(word.startswith("domain") for word in said)


PLACES = [
    ("http://127.0.0.1:8600", "http://127.0.0.1:8600", "siyu"),
    ("http://localhost", "http://localhost", "siyu"),
    ("http://[::1]:8600", "http://[::1]:8600", "siyu"),
    ("http://siyu.test", "http://siyu.test", "__Host-siyu"),
    ("http://127.0.0.1.evil.example", "http://127.0.0.1.evil.example", "__Host-siyu"),
    ("http://127.0.0.1:8600", "https://console.example", "__Host-siyu"),
    ("https://localhost", "https://localhost", "__Host-siyu"),
]


def test_only_this_machine_is_spared_tls(console: Console) -> None:
    for at, origin, name in PLACES:
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        with asking(console.app, at=at) as browser:
            cookie = browser.post("/v1/session", json={"key": ADMIN}, headers=headers).headers["set-cookie"]

        assert cookie.partition("=")[0] == name
        assert ("; Secure" in cookie) == (name != "siyu")


def test_the_plain_cookie_is_good_on_this_machine_only(console: Console) -> None:
    with asking(console.app, at="http://127.0.0.1:8600") as browser:
        browser.post("/v1/session", json={"key": ADMIN})
        value = browser.cookies["siyu"]
        assert browser.get("/v1/keys").status_code == 200

    with asking(console.app, at=HOST) as elsewhere:
        assert elsewhere.get("/v1/keys", headers={"Cookie": f"siyu={value}"}).status_code == 401


def test_only_hashes_of_what_signs_in_are_kept(console: Console, browser: httpx.Client) -> None:
    secret = console.world.key(Scope.PEOPLE_READ)
    signed_in(browser, secret)

    with transaction(console.engine) as connection:
        rows = str(connection.execute(text("SELECT row_to_json(console_session)::text FROM console_session")).all())
    mark = keys.hashed(secret).hex()
    assert not any(each in rows for each in (browser.cookies["__Host-siyu"], secret, mark))


def test_a_session_is_no_key(console: Console, browser: httpx.Client) -> None:
    """What leaks as a cookie signs nobody else in, and sends no event."""
    signed_in(browser, ADMIN)
    value = browser.cookies["__Host-siyu"]

    with asking(console.app, value, HOST) as other:
        assert other.get("/v1/articles").status_code == 401
        assert other.post("/v1/session", json={"key": value}).status_code == 401


def test_a_key_in_the_request_goes_before_the_session(console: Console, browser: httpx.Client) -> None:
    signed_in(browser, ADMIN)

    assert browser.get("/v1/keys", headers={"Authorization": "Bearer siyu_sk_unheard"}).status_code == 401


# Its end


def test_who_signs_out_is_out_at_once(console: Console, browser: httpx.Client) -> None:
    signed_in(browser, ADMIN)
    value = browser.cookies["__Host-siyu"]
    assert browser.get("/v1/keys").status_code == 200

    assert browser.delete("/v1/session", headers=OWN).status_code == 204

    assert "__Host-siyu" not in browser.cookies
    assert browser.get("/v1/keys", headers={"Cookie": f"__Host-siyu={value}"}).status_code == 401
    assert browser.delete("/v1/session", headers=OWN).status_code == 204


def test_a_session_that_is_not_used_is_over(console: Console, browser: httpx.Client) -> None:
    signed_in(browser, ADMIN)

    for _ in range(3):
        console.pass_by(IDLE - timedelta(minutes=2))
        assert browser.get("/v1/keys").status_code == 200
        asyncio.run(console.uses.write())
    console.pass_by(IDLE)

    assert browser.get("/v1/keys").status_code == 401


def test_a_stream_that_nobody_watches_keeps_no_session_awake(console: Console, browser: httpx.Client) -> None:
    """Who is answered for long is asked for his key again and again."""
    signed_in(browser, ADMIN)
    asker = Asker(console.app.state.context, None, browser.cookies["__Host-siyu"], is_from_elsewhere=False)

    console.pass_by(IDLE / 2)
    assert asyncio.run(asker.key()).id == "admin"
    asyncio.run(console.uses.write())
    console.pass_by(IDLE / 2)

    with pytest.raises(Unauthorized):
        asyncio.run(asker.key())
    assert browser.get("/v1/keys").status_code == 401


def test_no_session_is_older_than_a_week(console: Console, browser: httpx.Client) -> None:
    signed_in(browser, ADMIN)

    while console.now < NOW + AGE_MAX - timedelta(hours=6):
        console.pass_by(timedelta(hours=6))
        assert browser.get("/v1/keys").status_code == 200
        asyncio.run(console.uses.write())
    console.pass_by(timedelta(hours=6))

    assert browser.get("/v1/keys").status_code == 401


def test_a_session_ends_with_its_key(console: Console, browser: httpx.Client) -> None:
    secret = console.world.key(Scope.PEOPLE_READ)
    signed_in(browser, secret)
    with transaction(console.engine) as connection:
        keys.revoke(connection, keys.find(connection, secret, NOW).id, NOW)
    console.pass_by(KEYS_AGE_MAX)

    assert browser.get("/v1/articles").status_code == 401


def test_a_session_expires_with_its_key(console: Console, browser: httpx.Client) -> None:
    until = NOW + timedelta(hours=1)
    with asking(console.app, ADMIN) as administrator:
        asked = {"name": "n", "role": "viewer", "expires_at": until.isoformat()}
        signed_in(browser, administrator.post("/v1/keys", json=asked).json()["key"])
    assert browser.get("/v1/articles").status_code == 200
    console.now = until

    assert browser.get("/v1/articles").status_code == 401


def test_a_session_ends_with_the_secret_that_opened_it(console: Console, browser: httpx.Client) -> None:
    """Who rotates a key because its secret leaked shuts those out, too, who signed in with what leaked."""
    with asking(console.app, ADMIN) as administrator:
        key = administrator.post("/v1/keys", json={"name": "n", "role": "viewer"}).json()
        signed_in(browser, key["key"])
        administrator.post(f"/v1/keys/{key['id']}/rotate", json={"grace_hours": 1})
    console.pass_by(timedelta(minutes=59))
    assert browser.get("/v1/articles").status_code == 200
    console.pass_by(timedelta(minutes=1))

    assert browser.get("/v1/articles").status_code == 401


def test_the_administrator_s_session_ends_with_his_secret(console: Console, browser: httpx.Client) -> None:
    signed_in(browser, ADMIN)
    cookie = {"Cookie": f"__Host-siyu={browser.cookies['__Host-siyu']}"}

    with asking(console.serving(ADMIN), at=HOST) as same, asking(console.serving("another"), at=HOST) as changed:
        assert same.get("/v1/keys", headers=cookie).status_code == 200
        assert changed.get("/v1/keys", headers=cookie).status_code == 401


def test_an_administrator_ends_the_sessions_of_a_key(console: Console, browser: httpx.Client) -> None:
    with asking(console.app, ADMIN) as administrator:
        key = administrator.post("/v1/keys", json={"name": "n", "role": "viewer"}).json()
        me = signed_in(browser, key["key"]).json()
        (listed,) = administrator.get(f"/v1/keys/{key['id']}/sessions").json()["data"]
        assert listed["id"] == me["session"]

        assert administrator.delete(f"/v1/keys/unheard/sessions/{listed['id']}").status_code == 404
        assert administrator.delete(f"/v1/keys/{key['id']}/sessions/{listed['id']}").status_code == 204
    console.pass_by(KEYS_AGE_MAX)

    assert browser.get("/v1/articles").status_code == 401


def test_a_look_by_a_session_names_key_and_session(console: Console, browser: httpx.Client) -> None:
    me = signed_in(browser, ADMIN).json()
    browser.get("/v1/reviews")

    looks = browser.get("/v1/audit").json()["data"]

    assert [(look["what"], look["key"], look["session"]) for look in looks] == [
        ("GET /v1/audit", "admin", me["session"]),
        ("GET /v1/reviews", "admin", me["session"]),
        ("POST /v1/session", "admin", me["session"]),
    ]


# Attacks


def test_nobody_chooses_the_session_of_another(console: Console, browser: httpx.Client) -> None:
    """A cookie that somebody planted before is not the one of who signs in, and is over once he does."""
    signed_in(browser, console.world.key(Scope.PEOPLE_READ))
    planted = browser.cookies["__Host-siyu"]

    signed_in(browser, ADMIN)

    assert browser.cookies["__Host-siyu"] != planted
    console.pass_by(KEYS_AGE_MAX)
    with asking(console.app, at=HOST) as attacker:
        assert attacker.get("/v1/articles", headers={"Cookie": f"__Host-siyu={planted}"}).status_code == 401


ATTACKS = {
    "from another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "from another host of this site": {"Origin": "https://other.siyu.test", "Sec-Fetch-Site": "same-site"},
    "said to be from here, but it is not": {"Origin": HOST, "Sec-Fetch-Site": "cross-site"},
    "from a sandbox": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "from a sandbox in an old browser": {"Origin": "null"},
    "from another site in an old browser": {"Origin": "https://evil.example"},
    "from another port": {"Origin": "https://siyu.test:444"},
    "from a name that begins like ours": {"Origin": "https://siyu.test.evil.example"},
    "from a name that ends like ours": {"Origin": "https://evilsiyu.test"},
    "with an unknown word": {"Sec-Fetch-Site": "friendly"},
    "with an empty origin": {"Origin": ""},
    "without a word": {},
}


def test_no_other_page_changes_anything_by_a_session(browser: httpx.Client) -> None:
    changes = [
        ("POST", "/v1/keys"),
        ("PUT", "/v1/segments/s"),
        ("PATCH", "/v1/leads/00000000-0000-4000-8000-000000000000"),
        ("DELETE", "/v1/keys/k"),
    ]
    signed_in(browser, ADMIN)

    for attack, headers in ATTACKS.items():
        for method, path in changes:
            answer = browser.request(method, path, json={"name": "n", "role": "admin"}, headers=headers)
            assert (answer.status_code, attack) == (403, attack)

    assert browser.get("/v1/keys").json()["data"] == []


def test_own_pages_can(browser: httpx.Client) -> None:
    signed_in(browser, ADMIN)

    for headers in (OWN, {"Sec-Fetch-Site": "none"}, {"Origin": HOST}):
        assert browser.post("/v1/keys", json={"name": "n", "role": "viewer"}, headers=headers).status_code == 201


def test_by_a_key_it_does_not_matter_where_it_is_asked_from(console: Console) -> None:
    with asking(console.app, ADMIN, HOST) as client:
        evil = ATTACKS["from another site"]
        assert client.post("/v1/keys", json={"name": "n", "role": "viewer"}, headers=evil).status_code == 201


def test_no_other_page_signs_anybody_in_or_out(browser: httpx.Client) -> None:
    attacks = [headers for headers in ATTACKS.values() if headers]
    for headers in attacks:
        assert browser.post("/v1/session", json={"key": ADMIN}, headers=headers).status_code == 403
    signed_in(browser, ADMIN)

    for headers in attacks:
        assert browser.delete("/v1/session", headers=headers).status_code == 403
    assert browser.get("/v1/keys").status_code == 200


def test_a_key_that_only_writes_signs_nobody_in(console: Console, browser: httpx.Client) -> None:
    secret = console.world.key(Scope.EVENTS_WRITE)

    answer = browser.post("/v1/session", json={"key": secret}, headers=OWN)

    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_what_is_no_key_signs_nobody_in(browser: httpx.Client) -> None:
    for body in (b'{"key": "\\ud800"}', b'{"key": ""}', b"{}", b'{"key": 1}', b"\xff", b"key=x"):
        answer = browser.post("/v1/session", content=body, headers={**OWN, "Content-Type": "application/json"})

        assert answer.status_code in (400, 422)


def test_no_host_is_so_strange_that_we_fall_over_it(browser: httpx.Client) -> None:
    for host in ("[", "a b", "", "127.0.0.1:8600:1", "[::1", "\xff"):
        headers = {b"Host": host.encode("latin-1"), b"Cookie": b"siyu=x; __Host-siyu=\xff", b"Origin": b"null"}

        assert browser.get("/v1/articles", headers=headers).status_code == 401
        assert browser.delete("/v1/session", headers=headers).status_code == 403


def test_who_guesses_has_to_wait_and_others_have_not(console: Console, browser: httpx.Client) -> None:
    for _ in range(FAILURES_MAX):
        assert browser.post("/v1/session", json={"key": "guessed"}, headers=OWN).status_code == 401

    answer = browser.post("/v1/session", json={"key": ADMIN}, headers=OWN)

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == str(int(WINDOW.total_seconds()))
    console.pass_by(WINDOW)
    signed_in(browser, ADMIN)


def fail(attempts: Attempts, address: str) -> None:
    with suppress(Unauthorized), attempts.one_more(address, NOW):
        raise Unauthorized("unknown")


def test_attempts_are_counted_by_network_and_forgotten_where_there_are_too_many() -> None:
    attempts = Attempts()
    for number in range(FAILURES_MAX):
        fail(attempts, f"2001:db8::{number:x}")
        fail(attempts, "::ffff:192.0.2.1")

    for address in ("2001:db8::ffff", "::ffff:192.0.2.1"):
        with pytest.raises(Limited), attempts.one_more(address, NOW):
            pass
    for address in ("2001:db8:0:1::1", "::ffff:192.0.2.2", "", "testclient"):
        with attempts.one_more(address, NOW):
            pass
    for number in range(ADDRESSES_MAX):
        fail(attempts, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    with attempts.one_more("2001:db8::ffff", NOW):
        pass


def test_many_who_guess_at_once_are_no_more_than_one_after_the_other() -> None:
    attempts = Attempts()
    with ExitStack() as guessing:
        for _ in range(FAILURES_MAX):
            guessing.enter_context(attempts.one_more("192.0.2.1", NOW))
        with pytest.raises(Limited):
            guessing.enter_context(attempts.one_more("192.0.2.1", NOW))

    with attempts.one_more("192.0.2.1", NOW):  # none of them failed
        pass


def test_of_very_many_sessions_of_a_key_the_latest_stay(console: Console) -> None:
    with asking(console.app, at=HOST) as browser, asking(console.app, ADMIN) as administrator:
        oldest = signed_in(browser, ADMIN).json()
        browser.cookies.clear()
        console.now += timedelta(minutes=1)
        with transaction(console.engine) as connection:
            connection.execute(
                text(
                    "INSERT INTO console_session (id, hash, key_id, proof, opened_at, last_used_at)"
                    " SELECT 's' || n, int4send(n), 'admin', '', :now, :now FROM generate_series(1, :most) AS n"
                ),
                {"now": console.now, "most": SESSIONS_MAX},
            )
        console.now += timedelta(minutes=1)
        newest = signed_in(browser, ADMIN).json()

        listed = administrator.get("/v1/keys/admin/sessions").json()["data"]
    assert len(listed) == SESSIONS_MAX
    assert listed[0]["id"] == newest["session"]
    assert oldest["session"] not in [each["id"] for each in listed]
