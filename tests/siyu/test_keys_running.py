"""Keys and sessions as they run: what a server has noted when it ends, and what the pages of others do in a real browser."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from tests.ingest.loopback import listening
from tests.siyu.test_cli import ADMIN_KEY, Siyu, event
from tests.siyu.test_end_to_end import served

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MINE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def siyu(server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siyu]:
    settings = {"SIYU_DATABASE_URL": server(), "SIYU_ADMIN_KEY": ADMIN_KEY}
    with Siyu(tmp_path_factory.mktemp("keys"), **settings) as siyu:
        yield siyu


def test_what_was_used_is_written_when_a_server_ends(siyu: Siyu) -> None:
    (asks,) = siyu.rows("keys", "create", "--role", "viewer", "--name", "asks", "--json")
    (sends,) = siyu.rows("keys", "create", "--scope", "events:write", "--source", "sends", "--json")
    (signs_in,) = siyu.rows("keys", "create", "--role", "viewer", "--name", "signs-in", "--json")
    siyu.rows("keys", "create", "--role", "viewer", "--name", "idle", "--json")

    with served(siyu, "api", SIYU_PORT="0") as (_, client):
        assert client.get("/v1/me", headers={"Authorization": f"Bearer {asks['key']}"}).json()["name"] == "asks"
        assert client.post("/v1/session", json={"key": signs_in["key"]}).status_code == 201
        assert client.get("/v1/me").json()["name"] == "signs-in"
        assert "siyu" in client.cookies
    with served(siyu, "collect", SIYU_PORT="0") as (_, client):
        said = event(1, "user_id:u")
        assert client.post("/v1/events", json=said, headers={"Authorization": f"Bearer {sends['key']}"}).is_success

    used = {row["name"]: row["last_used_at"] is not None for row in siyu.rows("keys", "list", "--json")}
    assert used == {"asks": True, "sends": True, "signs-in": True, "idle": False}


FORM = """<form method="post" enctype="text/plain" action="{}/v1/keys">
<input name='{{"name": "evil", "role": "admin", "namespaces": null, "source": "' value='"}}'></form>"""
ASK = """async ([method, path, body]) => (await fetch(path, {
  method, headers: body ? {"Content-Type": "application/json"} : {}, body: body && JSON.stringify(body)})).status"""


@pytest.mark.skipif(not CHROMIUM and os.environ.get("CI") != "true", reason="there is no chromium on this machine")
def test_no_page_of_others_does_anything_by_the_cookie_of_a_browser(siyu: Siyu) -> None:
    """Neither from another site, from where the cookie does not come, nor from another port of this host, from where it does."""
    from playwright.sync_api import sync_playwright

    evil = FastAPI()

    with (
        served(siyu, "api", SIYU_PORT="0") as (_, client),
        listening(evil) as elsewhere,
        sync_playwright() as playwright,
    ):
        own = str(client.base_url).rstrip("/")
        evil.add_api_route("/", lambda: HTMLResponse(FORM.format(own)))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto(f"{own}/livez")
        assert tab.evaluate(ASK, ["POST", "/v1/session", {"key": ADMIN_KEY}]) == 201
        assert tab.evaluate(ASK, ["GET", "/v1/keys", None]) == 200
        assert tab.evaluate(ASK, ["POST", "/v1/keys", {"name": "mine", "role": "viewer"}]) == 201
        assert tab.evaluate("document.cookie") == ""

        statuses = []
        for attacker in (elsewhere, elsewhere.replace("127.0.0.1", "localhost")):
            tab.goto(attacker)
            with tab.expect_navigation() as gone:
                tab.evaluate("document.forms[0].submit()")
            statuses.append(gone.value.status)
        assert statuses == [403, 401]

        tab.goto(f"{own}/livez")
        assert tab.evaluate(ASK, ["GET", "/v1/keys", None]) == 200
        assert tab.evaluate(ASK, ["DELETE", "/v1/session", None]) == 204
        assert tab.evaluate(ASK, ["GET", "/v1/keys", None]) == 401
        browser.close()
    assert "evil" not in {row["name"] for row in siyu.rows("keys", "list", "--json")}
