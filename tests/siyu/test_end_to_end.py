"""All of Siyu as it runs: processes that are killed, logs of both kinds, and the service over HTTP."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from core.database import connect, metadata
from core.log.port import DIRECTIVES, EVENTS
from siyu import demo
from tests.siyu.test_cli import ADMIN_KEY, ARTICLE, Siyu, end, event, written

PATIENCE_SECONDS = 60.0
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to be in time"
        time.sleep(0.03)


# The same people, whatever happens on the way

# A part of the sample: cookies, openids, unionids, phones and mails of some hundred people, shared and recycled ones too.
SAMPLE = list(demo.events(now=datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)))[::2]
BATCH = {"SIYU_BATCH_EVENTS_MAX": "40"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("sample") / "sample.ndjson", SAMPLE)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, server: Callable[[], str], sample: Path) -> str:
    """The export of an installation in which nothing went wrong."""
    with Siyu(tmp_path_factory.mktemp("undisturbed"), SIYU_DATABASE_URL=server()) as siyu:
        done = siyu("ingest", sample, "--wait")
        assert done.returncode == 0, done.stderr
        return exported(siyu)


def exported(siyu: Siyu) -> str:
    done = siyu("export", "people", "--clear", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return done.stdout


def taken(engine: Engine) -> int:
    try:
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM touchpoint")).scalar_one())
    except DBAPIError:
        return 0


def _is_taken(engine: Engine, events: int) -> bool:
    return taken(engine) > events


def test_what_was_decided_is_decided_again_when_the_log_is_replayed(tmp_path: Path, server: Callable[[], str]) -> None:
    """Into an empty database, where directives may come before what they are about: the same people under the same ids."""
    url = server()
    engine = connect(url)
    events = [
        event(1, "anonymous_id@h5:c1", "wechat_openid@wx1:oA"),
        event(2, "anonymous_id@h5:c1", "phone:13912345678"),
        event(3, "user_id:B", "email:b@example.com"),
        event(4, "user_id:C"),
        event(5, "user_id:D", "email:d@example.com"),
    ]
    with Siyu(tmp_path, SIYU_DATABASE_URL=url) as siyu:
        assert siyu("ingest", written(tmp_path / "events.ndjson", events), "--wait").returncode == 0
        undecided = exported(siyu)
        for words in (
            ["person", "merge", "user_id:B", "user_id:C"],
            ["person", "merge", "user_id:C", "wechat_openid@wx1:oA"],
            ["person", "split", "phone:13912345678", "wechat_openid@wx1:oA"],
            ["directives", "retract", "--event", "import", "5"],
        ):
            done = siyu(*words, "--why", "because")
            assert done.returncode == 0, done.stderr
        decided = exported(siyu)
        (row,) = [row for row in map(json.loads, decided.splitlines()) if "user_id:B" in row.get("identifiers", ())]
        with engine.begin() as connection:
            derived = set(metadata.tables) - {"log_head", "log_batch", "api_key"}
            connection.execute(text(f"TRUNCATE {', '.join(derived)}"))
        stitcher = siyu.start("stitch")
        try:
            wait_until(lambda: _is_read(engine))
        finally:
            code, said = end(stitcher)

        assert code == 0, said
        assert decided != undecided
        assert set(row["identifiers"]) == {"user_id:B", "user_id:C", "email:b@example.com", "wechat_openid@wx1:oA"}
        assert exported(siyu) == decided
    engine.dispose()


def _is_read(engine: Engine) -> bool:
    """Whether all that is in the log was taken, events and directives."""
    with engine.connect() as connection:
        waiting = connection.execute(
            text(
                "SELECT sum(next_position - coalesce(position, 0)) FROM log_head"
                " LEFT JOIN log_position USING (topic, partition) WHERE topic IN (:events, :directives)"
            ),
            {"events": EVENTS, "directives": DIRECTIVES},
        ).scalar_one()
    return bool(waiting == 0)


def test_what_comes_in_is_there_as_expected(tmp_path: Path, server: Callable[[], str]) -> None:
    """One installation from nothing, every process a real one."""
    siyu = Siyu(tmp_path, SIYU_DATABASE_URL=server())
    events = [
        event(1, "anonymous_id@h5:c1"),
        event(2, "anonymous_id@h5:c1", "wechat_openid@wx1:oA"),
        event(3, "anonymous_id@h5:c1", "phone:13912345678"),
        event(4, "user_id:B", "anonymous_id@h5:c2"),
        event(5, "user_id:C", "anonymous_id@h5:c2"),
    ]

    ingesting = siyu.start("ingest", written(tmp_path / "events.ndjson", events), "--wait")
    out, said = ingesting.communicate(timeout=PATIENCE_SECONDS)
    exporting = siyu.start("export", "people", "--clear", "--json")
    rows = [json.loads(line) for line in exporting.communicate(timeout=PATIENCE_SECONDS)[0].splitlines()]

    assert (ingesting.returncode, out, exporting.returncode) == (0, "", 0), said
    assert {frozenset(row["identifiers"]) for row in rows if "person_id" in row} == {
        frozenset({"anonymous_id@h5:c1", "wechat_openid@wx1:oA", "phone:+8613912345678"}),
        frozenset({"user_id:B"}),
        frozenset({"user_id:C"}),
    }
    assert [row["contested"] for row in rows if "contested" in row] == ["anonymous_id@h5:c2"]


def test_a_stitcher_that_is_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, server: Callable[[], str], sample: Path, undisturbed: str
) -> None:
    """Faults F24 to F26: whatever it was at, the next one goes on with it."""
    url = server()
    engine = connect(url)
    with Siyu(tmp_path, SIYU_DATABASE_URL=url, **BATCH) as siyu:
        assert siyu("ingest", sample).returncode == 0
        for most in (len(SAMPLE) // 4, len(SAMPLE) // 2):
            stitcher = siyu.start("stitch")
            wait_until(partial(_is_taken, engine, most))
            assert end(stitcher, signal.SIGKILL)[0] == -signal.SIGKILL
            assert taken(engine) < len(SAMPLE)
        assert siyu("ingest", sample, "--wait").returncode == 0

        assert exported(siyu) == undisturbed
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM touchpoint")).scalar_one() == len(SAMPLE)
        assert connection.execute(text("SELECT count(*) FROM quarantine")).scalar_one() == 0
    engine.dispose()


def test_everything_in_one_process_survives_being_killed_with_its_own_database(
    tmp_path: Path, sample: Path, undisturbed: str
) -> None:
    """`siyu up` on embedded PostgreSQL: the next start finds all that was acknowledged, and goes on."""
    with Siyu(tmp_path, SIYU_ADMIN_KEY=ADMIN_KEY, **BATCH) as siyu:
        with served(siyu, "up", how_it_ends=signal.SIGKILL) as (_, client):
            for start in range(0, len(SAMPLE), 500):
                answer = client.post("/v1/events", json={"events": SAMPLE[start : start + 500]}, headers=ADMIN)
                assert answer.json() == {"accepted": len(SAMPLE[start : start + 500]), "rejected": []}
        with served(siyu, "up") as (_, client):
            # The same again in the name by which the undisturbed installation had it: nothing is new.
            assert siyu("ingest", sample, "--wait").returncode == 0

        assert ids(exported(siyu)) == ids(undisturbed)
        assert [row["ok"] for row in siyu.rows("doctor", "--json")] == [True] * 7
        # The killed one must not keep the server up for ever.
        wait_until(lambda: not (tmp_path / "data" / "postgres" / "postmaster.pid").exists(), 10)


def ids(export: str) -> Sequence[tuple[str, Sequence[str], int]]:
    rows = [json.loads(line) for line in export.splitlines()]
    return [(row["person_id"], row["identifiers"], row["events"]) for row in rows if "person_id" in row]


@pytest.mark.kafka
def test_both_logs_give_the_same_export_byte_for_byte(
    tmp_path: Path, server: Callable[[], str], sample: Path, undisturbed: str, kafka_of_our_own: tuple[str, int]
) -> None:
    log = {"SIYU_LOG_URL": f"kafka://{kafka_of_our_own[0]}", "SIYU_LOG_REPLICATION": "1"}
    with Siyu(tmp_path, SIYU_DATABASE_URL=server(), **log) as siyu:
        done = siyu("ingest", sample, "--wait")

        assert done.returncode == 0, done.stderr
        assert exported(siyu) == undisturbed


# The service


@contextmanager
def served(
    siyu: Siyu, *words: str, how_it_ends: signal.Signals = signal.SIGTERM, **settings: str
) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
    """Run a command that serves, until it is told to end, which must go well."""
    process = siyu.start(*words, **settings)
    try:
        with httpx.Client(base_url=address(process), timeout=30) as client:
            yield process, client
    finally:
        code, said = end(process, how_it_ends)
    assert code == (-how_it_ends if how_it_ends is signal.SIGKILL else 0), said
    assert "Traceback" not in said


def address(process: "subprocess.Popen[str]") -> str:
    """Where what `Siyu.start` started serves, as soon as it says so; it may have warned of something before."""
    assert process.stderr
    said: list[str] = []
    for line in process.stderr:
        if line.startswith("ready: "):
            return line.split()[1]
        said.append(line)
    raise AssertionError("".join(said))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Siyu, httpx.Client]]:
    with Siyu(tmp_path_factory.mktemp("up"), SIYU_ADMIN_KEY=ADMIN_KEY) as siyu, served(siyu, "up") as (_, client):
        yield siyu, client


def test_it_is_alive_and_ready_and_says_what_it_can(up: tuple[Siyu, httpx.Client]) -> None:
    _, client = up

    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").json()["status"] == "ok"
    assert "/v1/people/lookup" in client.get("/openapi.json").json()["paths"]
    assert client.get("/metrics").status_code == 401
    assert "siyu_" in client.get("/metrics", headers=ADMIN).text


def test_what_is_sent_is_seen_within_seconds(up: tuple[Siyu, httpx.Client]) -> None:
    """By identifier, on the timeline, and among the readers of the article."""
    siyu, client = up
    openid, phone = "wechat_openid@wx1:oSeen", "phone:+8613912340077"
    events = [
        event(1, openid, type="article.read", article=ARTICLE),
        event(2, openid, phone, type="form.submitted", channel="h5"),
    ]

    sent = client.post("/v1/events", json={"events": events}, headers=ADMIN)
    assert (sent.status_code, sent.json()) == (202, {"accepted": 2, "rejected": []})
    began = time.monotonic()
    wait_until(lambda: owner(client, phone) is not None and owner(client, phone) == owner(client, openid), 10)

    assert time.monotonic() - began < 10
    person = owner(client, phone)
    timeline = client.get(f"/v1/people/{person}/timeline", headers=ADMIN).json()["data"]
    assert [line["type"] for line in timeline] == ["form.submitted", "article.read"]
    readers = client.get("/v1/articles/a-1/readers", headers=ADMIN).json()["data"]
    assert person in {reader["person_id"] for reader in readers}
    (shown,) = siyu.rows("person", "show", phone, "--json")
    assert shown["person_id"] == person


def test_an_export_is_asked_for_made_and_fetched(up: tuple[Siyu, httpx.Client]) -> None:
    _, client = up
    client.post("/v1/events", json=event(5, "user_id:exported"), headers=ADMIN)
    wait_until(lambda: owner(client, "user_id:exported") is not None, 10)
    wish = {"what": "people", "format": "ndjson", "clear": True}

    asked = client.post("/v1/exports", json=wish, headers=ADMIN)
    address = asked.headers["location"]
    wait_until(lambda: client.get(address, headers=ADMIN).json()["status"] == "done", 20)

    file = client.get(f"{address}/result", headers=ADMIN)
    people = {json.loads(line)["canonical_identifier"] for line in file.text.splitlines()}
    assert "user_id:exported" in people
    assert int(file.headers["content-length"]) == len(file.content)
    looks = client.get("/v1/audit?what=export of people", headers=ADMIN).json()["data"]
    assert looks[0]["what"] == "export of people"


def test_the_same_request_again_changes_nothing(up: tuple[Siyu, httpx.Client]) -> None:
    _, client = up
    said = event(3, "user_id:again")
    for _ in range(3):
        assert client.post("/v1/events", json=said, headers=ADMIN).status_code == 202
    wait_until(lambda: owner(client, "user_id:again") is not None, 10)
    client.post("/v1/events", json=event(4, "user_id:after", "user_id:again"), headers=ADMIN)
    wait_until(lambda: owner(client, "user_id:after") is not None, 10)

    page = client.get(f"/v1/people/{owner(client, 'user_id:again')}/timeline", headers=ADMIN).json()

    assert [line["type"] for line in page["data"]].count("page.viewed") <= 2


def test_people_are_merged_and_parted_again_over_http(up: tuple[Siyu, httpx.Client]) -> None:
    _, client = up
    one, other = "user_id:one", "email:one@example.com"
    client.post("/v1/events", json={"events": [event(6, one), event(7, other)]}, headers=ADMIN)
    wait_until(lambda: owner(client, one) is not None and owner(client, other) is not None, 10)
    body = {"identifiers": [one, other], "why": "he told us"}

    made = client.post("/v1/people/merge", json=body, headers=ADMIN)
    assert (made.status_code, owner(client, one)) == (200, owner(client, other))
    back = {"kind": "retract", "directive": made.json()["id"], "why": "it was his sister"}
    assert client.post("/v1/directives", json=back, headers=ADMIN).status_code == 200

    assert owner(client, one) != owner(client, other)
    listed = client.get("/v1/directives", headers=ADMIN).json()["data"]
    assert [(each["kind"], each["by"], each["in_force"]) for each in listed] == [
        ("retract", "key:admin", True),
        ("must_link", "key:admin", False),
    ]


def test_nobody_gets_in_without_a_key(up: tuple[Siyu, httpx.Client]) -> None:
    siyu, client = up
    (made,) = siyu.rows("keys", "create", "--scope", "events:write", "--source", "h5", "--trust", "browser", "--json")
    own = {"Authorization": f"Bearer {made['key']}"}
    asked = {"identifiers": ["user_id:again"]}

    assert client.post("/v1/events", json=event(5, "user_id:x")).status_code == 401
    assert client.post("/v1/people/lookup", json=asked).status_code == 401
    assert client.post("/v1/people/lookup", json=asked, headers=own).status_code == 403
    assert client.post("/v1/events", json=event(5, "user_id:x"), headers=own).status_code == 202


def owner(client: httpx.Client, identifier: str) -> str | None:
    answer = client.post("/v1/people/lookup", json={"identifiers": [identifier]}, headers=ADMIN)
    person: str | None = answer.json()["data"][0]["person_id"]
    return person


def test_what_was_accepted_before_the_end_is_taken_after_the_next_start(
    tmp_path: Path, server: Callable[[], str]
) -> None:
    """Collectors and API each by themselves, on one database: the log lies between them."""
    siyu = Siyu(tmp_path, SIYU_ADMIN_KEY=ADMIN_KEY, SIYU_DATABASE_URL=server())
    with served(siyu, "collect") as (_, collector):
        assert collector.get("/readyz").status_code == 200
        assert (
            collector.post("/v1/people/lookup", json={"identifiers": ["user_id:A"]}, headers=ADMIN).status_code == 404
        )
        for number in range(1, 6):
            answer = collector.post(
                "/v1/events", json=event(number, "user_id:A", f"email:a{number}@example.com"), headers=ADMIN
            )
            assert answer.status_code == 202

    with served(siyu, "up", "--role", "api") as (_, client):
        assert client.post("/v1/events", json=event(1, "user_id:A"), headers=ADMIN).status_code in (404, 405)
        assert owner(client, "user_id:A") is None
        stitcher = siyu.start("stitch")
        try:
            wait_until(lambda: owner(client, "email:a5@example.com") is not None)
        finally:
            code, said = end(stitcher)
        assert code == 0, said
        assert owner(client, "email:a5@example.com") == owner(client, "user_id:A")


def test_a_port_that_is_taken_is_a_failure_in_words(tmp_path: Path, up: tuple[Siyu, httpx.Client]) -> None:
    siyu, client = up
    process = siyu.start("api", SIYU_PORT=str(client.base_url.port))
    _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 1
    assert "Traceback" not in said
    assert "ready:" not in said


def test_the_demo_answers_the_three_questions(tmp_path: Path, server: Callable[[], str]) -> None:
    process = Siyu(tmp_path, SIYU_DATABASE_URL=server()).start("demo", "--no-serve", COLUMNS="160")
    out, said = process.communicate(timeout=PATIENCE_SECONDS * 2)

    assert process.returncode == 0, said
    one, two, three = (out.index(f"─ {number}  ") for number in (1, 2, 3))
    assert one < two < three
    assert demo.ARTICLE in out[one:two]
    assert "K = 0." in out[one:two]
    assert demo.LEAD in out[two:three]
    assert '"version":' in out[three:]
    (first, *_) = [json.loads(line) for line in out[three:].splitlines() if line.startswith("{")]
    assert first["person_id"]
    assert datetime.fromisoformat(first["as_of"]).astimezone(UTC) > demo.NOW - timedelta(days=365)
