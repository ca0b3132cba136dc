"""The SDKs of Segment and RudderStack, as they are published, against a running Siyu."""

import functools
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import rudderstack.analytics as rudder  # type: ignore[import-untyped]
import segment.analytics as segment  # type: ignore[import-untyped]

from tests.npm import installed, needs
from tests.siyu.test_cli import ADMIN_KEY, Siyu
from tests.siyu.test_end_to_end import ADMIN, served, wait_until

SDKS = Path(__file__).parent / "sdks"


class Running:
    """A running Siyu, with a key for servers and one for browsers."""

    def __init__(self, siyu: Siyu, client: httpx.Client) -> None:
        self.url = str(client.base_url).rstrip("/")
        self._client = client
        self.server = self._key(siyu, "server")
        self.browser = self._key(siyu, "browser")

    def person(self, identifier: str) -> str | None:
        answer = self._client.post("/v1/people/lookup", json={"identifiers": [identifier]}, headers=ADMIN)
        found: str | None = answer.json()["data"][0]["person_id"]
        return found

    def are_one(self, *identifiers: str) -> bool:
        people = {self.person(each) for each in identifiers}
        return len(people) == 1 and None not in people

    def events(self, identifier: str) -> list[Any]:
        person = self.person(identifier)
        answer = self._client.get(f"/v1/people/{person}/timeline", headers=ADMIN)
        return [entry["properties"].get("event") for entry in answer.json()["data"] if entry.get("type") == "track"]

    @staticmethod
    def _key(siyu: Siyu, trust: str) -> str:
        words = ("keys", "create", "--scope", "events:write", "--source", trust, "--trust", trust, "--json")
        (row,) = siyu.rows(*words)
        return str(row["key"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, server: Callable[[], str]) -> Iterator[Running]:
    settings = {"SIYU_DATABASE_URL": server(), "SIYU_ADMIN_KEY": ADMIN_KEY}
    with Siyu(tmp_path_factory.mktemp("sdks"), **settings) as siyu, served(siyu, "up") as (_, client):
        yield Running(siyu, client)


@pytest.fixture(scope="module")
def modules() -> Path:
    """The folder in which npm has installed the SDKs for JavaScript."""
    return installed(SDKS)


@pytest.mark.parametrize(("library", "user"), [(segment, "py"), (rudder, "rpy")], ids=["Segment", "RudderStack"])
def test_libraries_for_python(running: Running, library: Any, user: str) -> None:
    client = library.Client(running.server, host=running.url, on_error=fail, max_retries=1)
    client.identify(user_id=user, anonymous_id=f"{user}-anon", traits={"email": f"{user}@example.com"})
    client.track(user_id=user, event="Read", properties={"n": 1})
    client.alias(previous_id=f"{user}-before", user_id=user)
    client.shutdown()

    wait_until(lambda: running.are_one(*named("server", user), f"email:{user}@example.com"))
    wait_until(lambda: running.events(f"user_id@server:{user}") == ["Read"])


@pytest.mark.parametrize(
    ("script", "user", "stated"),
    [("segment.js", "node", "email:node@example.com"), ("rudder.cjs", "rnode", "phone:+8613912340001")],
)
def test_libraries_for_node(running: Running, modules: Path, script: str, user: str, stated: str) -> None:
    shutil.copy(SDKS / script, modules / script)

    command = [needs("node"), script, running.url, running.server]
    done = subprocess.run(command, cwd=modules, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    wait_until(lambda: running.are_one(*named("server", user), stated))
    wait_until(lambda: running.events(f"user_id@server:{user}") == ["Read"])


@pytest.mark.parametrize(
    ("page_name", "script", "library", "user"),
    [
        ("page.html", "analytics.js", "@segment/analytics-next/dist/umd/index.js", "browser"),
        ("rudder.html", "rudder.js", "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js", "rbrowser"),
    ],
    ids=["Segment", "RudderStack"],
)
def test_scripts_in_a_browser(
    running: Running, modules: Path, page_name: str, script: str, library: str, user: str
) -> None:
    from playwright.sync_api import sync_playwright

    chromium = needs("chromium")
    shutil.copy(SDKS / page_name, modules / page_name)
    shutil.copy(modules / "node_modules" / library, modules / script)
    host = running.url.removeprefix("http://")

    with pages(modules) as page_url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{page_url}/{page_name}?host={quote(host)}&key={running.browser}&ajs_uid=victim")
        anonymous = page.evaluate("window.done")
        wait_until(lambda: running.are_one(f"user_id@browser:{user}", f"anonymous_id@browser:{anonymous}"))
        page.wait_for_timeout(200)
        browser.close()

    assert all(url.startswith(("http://127.0.0.1:", "blob:", "data:")) for url in asked), asked
    wait_until(lambda: running.events(f"user_id@browser:{user}") == ["Read"])
    assert running.person("user_id@browser:victim") is None


def named(source: str, user: str) -> list[str]:
    anonymous = [f"anonymous_id@{source}:{user}-{which}" for which in ("anon", "before")]
    return [f"user_id@{source}:{user}", *anonymous]


def fail(error: Exception, _items: object) -> None:
    raise AssertionError(f"the SDK was refused: {error}")


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """Serve the files in *folder* on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """It serves files and says nothing of it."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
