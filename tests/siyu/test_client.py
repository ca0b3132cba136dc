"""The client of Siyu against a Siyu that runs: publishing, asking, hearing what changes; and the examples, run."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from standardwebhooks import Webhook

from bench import subscribers
from core.clock import system_clock
from siyu.client import (
    BEGINNING,
    Client,
    Event,
    EventsRejected,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    Unreachable,
    verify,
)
from siyu.remote import answers
from tests.conftest import ROOT
from tests.siyu.test_cli import ADMIN_KEY, Siyu, event
from tests.siyu.test_end_to_end import served, wait_until

PHONE, OPENID, FRIEND = "phone:+8613912340055", "wechat_openid@wx1:oClient", "wechat_openid@wx1:oFriend"
ARTICLE = {"id": "a-client", "title": "秋季选型指南"}
SCHEMAS = {
    "Found": "Found",
    "Identifier": "IdentifierOut",
    "Profile": "ProfileOut",
    "Contribution": "ContributionOut",
    "Intent": "IntentOut",
    "Reader": "ReaderOut",
    "Spreader": "Spreader",
    "Stats": "StatsOut",
    "Node": "TreeNode",
    "ShareTree": "ShareTreeOut",
    "Company": "CompanyOut",
    "Member": "MemberOut",
    "Lead": "LeadOut",
    "CanSend": "CanSendOut",
    "Job": "JobOut",
    "Rejected": "Rejection",
    "Receipt": "Receipt",
}


def story() -> list[dict[str, Any]]:
    """Somebody reads an article and gives his phone; a friend reads it by his link; and two hundred more."""
    share = {"token": "s-client"}
    reads = {"type": "article.read", "channel": "official_account", "article": ARTICLE}
    return [
        event(1, OPENID, **reads),
        event(2, OPENID, type="article.shared", channel="h5", article=ARTICLE, share=share),
        event(3, FRIEND, **reads, share=share),
        event(4, OPENID, PHONE, type="form.submitted", channel="h5", company={"name": "四域"}),
        *(event(10 + n, f"user_id:reader{n}", **reads) for n in range(210)),
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("client")
    with Siyu(folder, SIYU_ADMIN_KEY=ADMIN_KEY) as siyu, served(siyu, "up") as (_, http):
        address = str(http.base_url)
        with Client(address, ADMIN_KEY) as client:
            with client.publisher() as publisher:
                for each in story():
                    publisher.put(each)
            last = "user_id:reader209"
            wait_until(lambda: client.lookup(last)[0].person_id is not None, 20)
        yield address


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, ADMIN_KEY, attempts_max=2) as client:
        yield client


def test_it_brings_nothing_of_siyu_with_it_but_itself() -> None:
    """Whoever only asks needs no database and no web framework."""
    script = "import sys, siyu.client; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT).stdout

    assert {"api", "core", "ingest", "profiles", "stitcher", "sqlalchemy", "fastapi", "kafka"} & {
        *loaded.split()
    } == set()


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_field_that_it_names_is_promised(name: str) -> None:
    document = orjson.loads((ROOT / "docs" / "openapi.json").read_bytes())
    promised = document["components"]["schemas"][SCHEMAS[name]]["properties"]

    assert {*getattr(answers, name).model_fields} - {*promised} - {"contested_by"} == set()


def test_who_somebody_is_and_what_he_did(client: Client) -> None:
    found, unknown = client.lookup(PHONE, "phone:+8613900000000")
    assert unknown.person_id is None
    assert found.person_id
    profile = client.profile(found.person_id)
    assert (profile.person_id, profile.company) == (found.person_id, "四域")
    assert [entry.model_dump()["type"] for entry in client.timeline(found.person_id) if entry.kind == "event"] == [
        "form.submitted",
        "article.shared",
        "article.read",
    ]
    assert client.intent(found.person_id).score == profile.intent > 0
    assert client.can_send("sms", person_id=found.person_id).allowed is False


def test_lists_are_read_to_their_end(client: Client) -> None:
    readers = list(client.readers("a-client"))

    assert len(readers) == len({each.person_id for each in readers}) == 212
    stats = client.stats("a-client")
    assert (stats.readers, stats.depth) == (212, 2)
    [brought] = [each for each in client.share_tree("a-client").nodes if each.generation == 2]
    assert [each.person_id for each in readers if each.came_from == brought.parent] == [brought.person_id]


def test_exports_and_figures(client: Client) -> None:
    people = client.export({"what": "people", "format": "ndjson"})

    assert len([line for line in people.splitlines() if b'"person_id"' in line]) == 212
    assert client.metric("k")["numerator"]


def test_what_is_wrong_says_where_and_why(client: Client, url: str) -> None:
    with pytest.raises(NotFound, match="trace"):
        client.profile("00000000-0000-8000-8000-000000000000")
    with pytest.raises(Invalid) as invalid:
        list(client.readers("a-client", min_generation="many"))
    assert invalid.value.errors[0]["pointer"] == "/query/min_generation"
    with Client(url, "no key", attempts_max=1) as stranger, pytest.raises(Unauthorized):
        stranger.lookup(PHONE)
    with Client("http://127.0.0.1:9", "x", attempts_max=2) as nowhere, pytest.raises(Unreachable):
        nowhere.lookup(PHONE)


def test_a_key_that_does_not_reach_so_far_is_told_so(client: Client, url: str) -> None:
    wish = {"name": "writes only", "scopes": ["events:write"], "source": "shop", "trust": "server"}
    made = httpx.post(f"{url}/v1/keys", json=wish, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert made.status_code == 201, made.text
    with Client(url, made.json()["key"]) as writer:
        assert writer.publish(event(900, "user_id:written")).accepted == 1
        with pytest.raises(Forbidden):
            writer.lookup(PHONE)


def test_what_is_rejected_is_told(client: Client) -> None:
    wrong = {"type": "unheard.of", "channel": "web", "occurred_at": system_clock().isoformat()}
    told = []

    with client.publisher(lambda event, why: told.append((event["type"], why.code))) as publisher:
        publisher.put(wrong)
        publisher.put(event(901, "user_id:right"))
    assert [kind for kind, _ in told] == ["unheard.of"]
    with pytest.raises(EventsRejected, match="1 of 1"), client.publisher() as publisher:
        publisher.put(wrong)


def test_one_hears_what_changed_and_goes_on_where_one_was(client: Client) -> None:
    everything = list(islice(client.subscribe(["person.created"], after=BEGINNING), 100))
    assert all(isinstance(each, Event) for each in everything)
    again = list(islice(client.subscribe(["person.created"], after=everything[49].place), 50))

    assert again == everything[50:]


def test_a_webhook_is_verified() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = orjson.dumps(
        {"id": "1", "type": "t", "subject": "p", "time": system_clock(), "data": {}, "specversion": "1.0"}
    )
    now = system_clock()
    headers = {
        "webhook-id": "1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("1", now, body.decode()),
    }

    assert verify(body, headers, secret).subject == "p"
    with pytest.raises(Unauthorized):
        verify(body + b" ", headers, secret)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sales_lookup.py", PHONE), "form.submitted"),
        (("sales_lookup.py", "四域"), "四域"),
        (("sales_lookup.py", "phone:nonsense"), ""),
        (("analysis.py", "a-client"), "212 readers"),
    ],
)
def test_an_example_says_what_it_promises(url: str, words: tuple[str, ...], said: str) -> None:
    example, *arguments = words
    environment = {"SIYU_URL": url, "SIYU_KEY": ADMIN_KEY, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, str(ROOT / "examples" / example), *arguments]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)

    assert said in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_a_subscriber_that_is_killed_again_and_again_has_everything_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example, by the stream and by a webhook: who there is, and at which version, as the API has it."""
    monkeypatch.setattr(subscribers, "KILL_SECONDS", (1.0, 2.0))
    monkeypatch.setattr(subscribers, "QUIET_SECONDS", 3.0)
    figures = subscribers.run(600, ["sse", "webhook"], 1)

    for copy in figures["copies"].values():
        assert copy["kills"] >= 2
        assert (copy["missing"], copy["extra"], copy["wrong"]) == (0, 0, 0)
        assert copy["people"] == figures["people"] > 50
