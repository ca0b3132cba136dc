"""The command line: processes, files, exit codes. All commands here share one installation."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

ROOT = Path(__file__).parents[2]
SECRET_KEY = "the key of the command line's tests, long enough"
ADMIN_KEY = "siyu_the_admin_key_of_the_tests"
TIMEOUT_SECONDS = 60

# Long enough ago to be no one's future, whatever clock the machine has, and no longer than events may be late.
DAY = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=9)


# Importing all that Siyu consists of takes seconds. So one process imports it, and is forked for every command.
_FORKING = """
import gc, json, os, sys
from siyu.__main__ import main
gc.freeze()
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, name in enumerate(order["files"]):
            os.dup2(os.open(name, os.O_RDWR), number)
        sys.stdin = os.fdopen(0)
        sys.argv = ["siyu", *order["words"]]
        main()
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


class Siyu:
    """An installation: a data folder, and the settings with which every command on it runs."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR") if name in os.environ}
        self.environment = {
            **kept,
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "SIYU_DATA_DIR": str(directory / "data"),
            "SIYU_SECRET_KEY": SECRET_KEY,
            "SIYU_PORT": "0",
            **settings,
        }
        self._forking: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._forking:
            self._forking.communicate(timeout=TIMEOUT_SECONDS)

    def __call__(self, *words: str | Path, stdin: str = "", **settings: str) -> Done:
        """Run a command to its end, in a process forked from one that has imported Siyu."""
        self._forking = self._forking or self._python(["-c", _FORKING], {}, stdin=subprocess.PIPE)
        assert self._forking.stdin
        assert self._forking.stdout
        files = [self.directory / name for name in ("stdin", "stdout", "stderr")]
        for file, content in zip(files, (stdin, "", ""), strict=True):
            file.write_text(content, encoding="utf-8")
        order = {
            "directory": str(self.directory),
            "environment": self.environment | settings,
            "files": [str(file) for file in files],
            "words": [str(word) for word in words],
        }
        self._forking.stdin.write(json.dumps(order) + "\n")
        self._forking.stdin.flush()
        code = int(self._forking.stdout.readline())
        return Done(code, *(file.read_text(encoding="utf-8") for file in files[1:]))

    def rows(self, *words: str | Path) -> list[Any]:
        """Run a command that must succeed, and return the JSON lines it wrote."""
        done = self(*words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start(self, *words: str | Path, **settings: str) -> "subprocess.Popen[str]":
        """Start a command as a shell would; whoever does ends it by `end`."""
        return self._python(["-m", "siyu", *map(str, words)], settings)

    def _python(
        self, words: Sequence[str], settings: Mapping[str, str], stdin: int = subprocess.DEVNULL
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env={**self.environment, **settings},
        )


def end(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
    """End what `Siyu.start` started, and return its exit code and what it said since on stderr."""
    if process.poll() is None:
        process.send_signal(number)
    _, said = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, said


def event(number: int, *identifiers: str, **fields: Any) -> dict[str, Any]:
    """What a sender writes: event *number*, so many minutes into the day."""
    at = (DAY + timedelta(minutes=number)).isoformat()
    said = {"id": str(number), "type": "page.viewed", "channel": "web", "occurred_at": at, "strength": "proven"}
    return {**said, "identifiers": list(identifiers), **fields}


def written(path: Path, events: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in events), encoding="utf-8")
    return path


COOKIE, OTHER_COOKIE, KIOSK = "anonymous_id@h5:c1", "anonymous_id@h5:c2", "device_id@oaid:k"
OPENID, PHONE, MAIL = "wechat_openid@wx1:oAbc", "phone:+8613912345678", "email:j@example.com"
ARTICLE = {"id": "a-1", "title": "秋季选型指南"}

EVENTS = [
    event(1, COOKIE, type="article.read", article=ARTICLE),
    event(2, COOKIE, OPENID),
    event(3, COOKIE, PHONE, type="form.submitted", channel="h5"),
    event(4, OPENID, type="article.shared", article=ARTICLE, share={"token": "s1", "scene": "group"}),
    event(5, OTHER_COOKIE, type="article.read", article=ARTICLE, share={"token": "s1"}),
    event(6, OTHER_COOKIE, MAIL),
    event(7, KIOSK, "user_id:B"),
    event(8, KIOSK, "user_id:C"),
]


@pytest.fixture(scope="module")
def siyu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siyu]:
    """An installation that has taken `EVENTS`, and whose server stays up between the commands."""
    with Siyu(tmp_path_factory.mktemp("siyu")) as siyu:
        stitcher = siyu.start("stitch")
        try:
            done = siyu("ingest", written(siyu.directory / "events.ndjson", EVENTS), "--wait")
            assert done.returncode == 0, done.stderr
            yield siyu
        finally:
            code, said = end(stitcher)
    assert code == 0, said


# Asking


def test_a_person_is_found_by_any_identifier(siyu: Siyu) -> None:
    (by_phone,) = siyu.rows("person", "show", PHONE, "--json")
    (by_openid,) = siyu.rows("person", "show", OPENID, "--json")

    assert by_phone == by_openid
    assert siyu.rows("person", "show", by_phone["person_id"], "--json") == [by_phone]


def test_who_is_asked_about_in_his_own_way_of_writing_is_found(siyu: Siyu) -> None:
    assert siyu.rows("person", "show", "phone:0086 139-1234-5678", "--json") == siyu.rows(
        "person", "show", PHONE, "--json"
    )


def test_identifiers_are_masked_unless_they_are_asked_for_clear(siyu: Siyu) -> None:
    masked, clear = (siyu("person", "show", PHONE, "--json", *more).stdout for more in ([], ["--clear"]))

    assert "+8613912345678" not in masked
    assert "+8613912345678" in clear


def test_the_timeline_has_every_channel_newest_first(siyu: Siyu) -> None:
    lines = siyu.rows("person", "timeline", PHONE, "--json")

    assert [line["type"] for line in lines] == ["article.shared", "form.submitted", "page.viewed", "article.read"]
    assert [len(siyu.rows("person", "timeline", PHONE, "--json", "--limit", "2"))] == [2]


def test_why_two_identifiers_are_one_person_is_told_link_by_link(siyu: Siyu) -> None:
    (told,) = siyu.rows("person", "why", OPENID, PHONE, "--json", "--clear")

    assert [(step["from"]["identifier"], step["to"]["identifier"]) for step in told["path"]] == [
        (OPENID, COOKIE),
        (COOKIE, PHONE),
    ]
    assert "observed ×1" in siyu("person", "why", OPENID, PHONE).stdout


def test_the_readers_of_an_article_come_with_who_brought_them(siyu: Siyu, tmp_path: Path) -> None:
    first, second = siyu.rows("article", "readers", "a-1", "--json")
    done = siyu("article", "readers", "a-1", "--csv", tmp_path / "readers.csv")

    assert done.returncode == 0
    assert second["came_from"] == first["person_id"]
    assert [first["generation"], second["generation"]] == [1, 2]
    content = (tmp_path / "readers.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert [row["person_id"] for row in rows] == [first["person_id"], second["person_id"]]


def test_the_figures_and_the_tree_of_an_article_are_told(siyu: Siyu) -> None:
    (figures,) = siyu.rows("article", "stats", "a-1", "--json")
    nodes = siyu.rows("article", "tree", "a-1", "--json")

    assert (figures["readers"], figures["depth"]) == (2, 2)
    assert [node["generation"] for node in nodes] == [1, 2]


@pytest.mark.parametrize(
    "words",
    [
        ["person", "show", "phone:+8613912340000"],
        ["person", "timeline", "user_id:nobody"],
        ["person", "why", PHONE, MAIL],
        ["person", "show", KIOSK],
        ["person", "show", "00000000-0000-8000-8000-000000000000"],
        ["person", "show", "no-id-at-all"],
        ["article", "readers", "a-unknown"],
        ["article", "stats", "a-unknown"],
        ["article", "tree", "a-unknown"],
        ["keys", "revoke", "ffffffff"],
        ["keys", "rotate", "ffffffff"],
    ],
    ids=" ".join,
)
def test_what_nobody_knows_is_exit_code_4_and_one_line(siyu: Siyu, words: list[str]) -> None:
    done = siyu(*words)

    assert done.returncode == 4, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["person", "show"],
        ["up", "--role", "king"],
        ["export", "people", "--format", "parquet"],
        ["export", "people", "--format", "xls"],
        ["keys", "create", "--scope", "everything", "--source", "x"],
        ["keys", "create", "--scope", "admin"],
        ["keys", "create", "--name", "x"],
        ["keys", "create", "--role", "viewer", "--source", "x", "--trust", "browser"],
        ["keys", "create", "--role", "viewer", "--name", "x", "--expires", "tomorrow"],
        ["keys", "create", "--role", "viewer", "--name", "x", "--expires", "2001-01-01"],
        ["keys", "rotate", "x", "--grace-hours", "169"],
        ["person", "timeline", PHONE, "--limit", "0"],
        ["ingest"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(siyu: Siyu, words: list[str]) -> None:
    done = siyu(*words)

    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [["ingest", "no-such-file.ndjson"], ["person", "show", "Phone=1"], ["person", "show", ":"]], ids=" ".join
)
def test_what_cannot_be_done_fails_in_a_line_and_no_trace(siyu: Siyu, words: list[str]) -> None:
    done = siyu(*words)

    assert done.returncode in (1, 2, 4)
    assert "Traceback" not in done.stderr


# Bringing in


def test_rejected_lines_are_kept_with_their_reason_and_the_rest_is_taken(siyu: Siyu, tmp_path: Path) -> None:
    file = written(tmp_path / "mixed.ndjson", [event(20, "user_id:D"), {"type": "no.such"}, event(21, "user_id:D")])

    done = siyu("ingest", file, "--wait")

    assert done.returncode == 3
    assert "accepted 2, rejected 1" in done.stderr
    (reject,) = [json.loads(line) for line in (tmp_path / "mixed.ndjson.rejected.ndjson").read_text().splitlines()]
    assert reject["line"] == 2
    assert reject["code"]
    assert json.loads(reject["event"]) == {"type": "no.such"}
    assert len(siyu.rows("person", "timeline", "user_id:D", "--json")) == 2


def test_standard_input_and_csv_come_in_too(siyu: Siyu, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        '[constants]\ntype = "offline.registered"\nstrength = "declared"\n[columns]\nPhone = "phone"\nAt = "occurred_at"\n'
    )
    (tmp_path / "fair.csv").write_text(f"Phone,At\n13912340021,{DAY.isoformat()}\n", encoding="utf-8")

    by_stdin = siyu("ingest", "-", "--wait", stdin=json.dumps(event(30, "user_id:E")))
    by_csv = siyu("ingest", tmp_path / "fair.csv", "--mapping", tmp_path / "map.toml", "--channel", "offline", "--wait")

    assert (by_stdin.returncode, by_csv.returncode) == (0, 0), by_stdin.stderr + by_csv.stderr
    assert len(siyu.rows("person", "timeline", "user_id:E", "--json")) == 1
    (line,) = siyu.rows("person", "timeline", "phone:+8613912340021", "--json")
    assert (line["type"], line["channel"]) == ("offline.registered", "offline")


def test_a_file_can_be_tried_out_by_a_saved_mapping_and_nothing_comes_of_it(siyu: Siyu, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        'zone = "+08:00"\n[constants]\ntype = "order.paid"\nchannel = "orders"\n[units]\n"order.amount" = "yuan"\n'
        '[columns]\n"手机" = "phone"\n"单号" = "order.id"\n"实付" = "order.amount"\n"时间" = "occurred_at"\n',
        encoding="utf-8",
    )
    at = f"{DAY:%Y-%m-%d %H:%M}"
    rows = f"手机,单号,实付,时间\n{PHONE},o1,129.00,{at}\n13912340077,o2,1.005,{at}\n138****8000,o3,1,{at}\n"
    (tmp_path / "orders.csv").write_bytes(rows.encode("gb18030"))
    assert siyu("mappings", "save", "shop", tmp_path / "map.toml").returncode == 0
    before = siyu("export", "people", "--clear", "--json").stdout

    done = siyu("ingest", tmp_path / "orders.csv", "--mapping", "shop", "--dry-run", "--json")

    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert told["valid"] == 2
    assert told["rejected"][0]["code"] == "invalid_amount"
    assert told["dropped"] == [{"namespace": "phone", "reason": "invalid", "identifiers": 1}]
    assert told["people"] == {"events": 2, "known": 0, "created": 0, "touched": 1, "merged": 0}
    assert siyu("export", "people", "--clear", "--json").stdout == before
    assert [row["name"] for row in siyu.rows("mappings", "list", "--json")] == ["shop"]
    assert "13912340077" not in siyu("ingest", tmp_path / "orders.csv", "--mapping", "shop", "--dry-run").stdout
    assert siyu("mappings", "delete", "shop").returncode == 0
    assert siyu("ingest", tmp_path / "orders.csv", "--mapping", "shop").returncode == 4


def test_what_the_platform_counts_stands_beside_what_was_found_out(siyu: Siyu, tmp_path: Path) -> None:
    rows = f"article_id,as_of,reads\na-1,{DAY:%Y-%m-%d},8\na-1,{DAY - timedelta(days=1):%Y-%m-%d},4\na-2,{DAY:%Y-%m-%d},x\n"
    (tmp_path / "counts.csv").write_text(rows, encoding="utf-8")

    done = siyu("article", "official-counts", tmp_path / "counts.csv", "--source", "console")

    assert (done.returncode, "accepted 2, rejected 1" in done.stderr) == (3, True)
    (told,) = siyu.rows("article", "stats", "a-1", "--json")
    assert (told["official"]["reads"], told["official"]["source"]) == (8, "console")
    assert told["coverage"] == (told["reads"] - told["anonymous_reads"]) / 8


def test_the_same_file_again_changes_nothing(siyu: Siyu) -> None:
    before = siyu("export", "people", "--clear", "--json").stdout

    assert siyu("ingest", siyu.directory / "events.ndjson", "--wait").returncode == 0

    assert siyu("export", "people", "--clear", "--json").stdout == before


def test_what_is_decided_while_somebody_stitches_is_carried_out_by_him(siyu: Siyu) -> None:
    words = ["block", "user_id:test-account", "--why", "because", "--by", "the desk"]

    done = siyu("directives", *words, "--json")

    assert (done.returncode, done.stderr) == (0, "")
    made = json.loads(done.stdout)
    assert made["carried_out_at"]
    assert siyu.rows("directives", "list", "--json") == [made]


# Looking after it


def test_a_key_is_made_listed_and_revoked(siyu: Siyu) -> None:
    (made,) = siyu.rows(
        "keys", "create", "--scope", "people:read", "--scope", "events:write", "--source", "crm", "--json"
    )
    listed = {row["id"]: row for row in siyu.rows("keys", "list", "--json")}

    assert made["key"].startswith("siyu_")
    assert listed[made["id"]]["scopes"] == ["events:write", "people:read"]
    assert (listed[made["id"]]["source"], listed[made["id"]]["trust"]) == ("crm", "server")
    assert listed[made["id"]]["revoked_at"] is None
    assert made["key"] not in siyu("keys", "list", "--json").stdout
    assert siyu("keys", "revoke", made["id"]).returncode == 0
    assert {row["id"]: row["revoked_at"] for row in siyu.rows("keys", "list", "--json")}[made["id"]] is not None


def test_a_key_for_a_while_has_a_role_and_another_secret_when_it_is_rotated(siyu: Siyu) -> None:
    (made,) = siyu.rows("keys", "create", "--role", "sales", "--name", "李雷", "--expires", "30d", "--json")
    (rotated,) = siyu.rows("keys", "rotate", made["id"], "--grace-hours", "0", "--json")

    assert (made["role"], made["name"], made["source"]) == ("sales", "李雷", "李雷")
    assert made["scopes"] == ["people:read", "people:read_pii", "people:write"]
    assert made["created_by"].startswith("cli:")
    assert made["expires_at"] > made["created_at"]
    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert rotated["key"].startswith(rotated["prefix"])
    assert "李雷" in siyu("keys", "list").stdout


def test_a_key_for_people_is_the_only_thing_on_standard_output(siyu: Siyu) -> None:
    done = siyu("keys", "create", "--scope", "events:write", "--source", "h5", "--trust", "browser")

    assert done.returncode == 0
    assert done.stdout.strip().startswith("siyu_pk_")
    assert len(done.stdout.split()) == 1


# The rules, and everything again by them


def test_the_rules_in_force_are_shown(siyu: Siyu) -> None:
    (rules,) = siyu.rows("rules", "show", "--json")
    told = siyu("rules", "show").stdout

    assert rules["person_identifiers_max"] == 2_000
    assert rules["namespaces"]["phone"]["reassignable"] is True
    assert "weak_bridges" in told
    assert "wechat_unionid" in told


def test_what_other_rules_would_change_is_told_and_nothing_changes(siyu: Siyu, tmp_path: Path) -> None:
    shipped = (ROOT / "stitcher" / "rules.toml").read_text(encoding="utf-8")
    other = tmp_path / "rules.toml"
    other.write_text(shipped.replace("person_identifiers_max = 2000", "person_identifiers_max = 2"), encoding="utf-8")
    before = siyu("export", "people", "--clear", "--json").stdout

    (same,) = siyu.rows("rules", "preview", str(ROOT / "stitcher" / "rules.toml"), "--json")
    (told,) = siyu.rows("rules", "preview", str(other), "--json")

    assert (same["merged"], same["split"], same["moved"]) == (0, 0, 0)
    assert same["before"] == same["after"]
    assert told["after"]["people"] > told["before"]["people"]
    assert told["split"] == len(told["splits"]) > 0
    assert siyu("export", "people", "--clear", "--json").stdout == before
    assert siyu("rules", "preview", str(other)).returncode == 0


def test_rules_that_will_not_do_are_refused_by_name(siyu: Siyu, tmp_path: Path) -> None:
    other = tmp_path / "rules.toml"
    other.write_text("generic_owners_max = 0", encoding="utf-8")

    refused = siyu("rules", "preview", str(other))

    assert refused.returncode == 1
    assert "rules:" in refused.stderr
    assert siyu("rules", "preview", str(tmp_path / "nowhere.toml")).returncode == 4


def test_everything_again_comes_to_what_there_is(siyu: Siyu) -> None:
    before = siyu("export", "people", "--clear", "--json").stdout

    (checked,) = siyu.rows("rebuild", "--check", "--json")
    (rebuilt,) = siyu.rows("rebuild", "--json")

    assert checked["events"] > 0
    assert checked["differences"] == rebuilt["differences"] == {}
    assert siyu("export", "people", "--clear", "--json").stdout == before
    assert siyu("rebuild", "--check").returncode == 0


def test_what_is_to_be_looked_at_is_listed(siyu: Siyu) -> None:
    assert siyu("review", "list").returncode == 0
    assert siyu.rows("review", "list", "--json") == []


def test_the_doctor_finds_nothing_where_all_is_well(siyu: Siyu) -> None:
    rows = siyu.rows("doctor", "--json")

    assert {row["check"] for row in rows} >= {"database", "schema", "log", "lag", "quarantine"}
    assert all(row["ok"] for row in rows)


def test_the_database_is_at_the_newest_migration(siyu: Siyu) -> None:
    (status,) = siyu.rows("db", "status", "--json")

    assert status["up_to_date"] is True
    assert siyu("db", "upgrade").returncode == 0


def test_settings_are_shown_and_secrets_are_not(siyu: Siyu) -> None:
    secrets = {"SIYU_ADMIN_KEY": ADMIN_KEY, "SIYU_DATABASE_URL": "postgresql://somebody:hush@db.example.com/siyu"}
    done = siyu("config", "show", "--json", **secrets)
    shown = {row["setting"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}

    assert shown["SIYU_DATA_DIR"] == siyu.environment["SIYU_DATA_DIR"]
    for secret in (ADMIN_KEY, SECRET_KEY, "hush"):
        assert secret not in done.stdout + done.stderr + siyu("config", "show", **secrets).stdout
    assert shown["SIYU_ADMIN_KEY"] is not None


def test_an_unknown_setting_fails_with_the_nearest_known_one(siyu: Siyu) -> None:
    done = siyu("config", "show", SIYU_ADMINKEY="x")

    assert done.returncode == 1
    assert "SIYU_ADMINKEY" in done.stderr
    assert "SIYU_ADMIN_KEY" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIYU_SECRET_KEY", "too short"),
        ("SIYU_PORT", "many"),
        ("SIYU_LOG_URL", "redis://x"),
        ("SIYU_RULES_FILE", "/no/such/file"),
        ("SIYU_ADMIN_KEY_FILE", "/no/such/file"),
        ("SIYU_DATABASE_URL", "nonsense"),
        ("SIYU_DATABASE_URL", "postgresql://127.0.0.1:1/siyu"),
    ],
)
def test_a_setting_that_will_not_do_is_named_and_never_shown(siyu: Siyu, name: str, value: str) -> None:
    done = siyu("db", "status", **{name: value})

    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert name in done.stderr or "did not answer" in done.stderr
    assert value not in done.stderr or value.startswith("/")


def test_a_secret_can_come_from_a_file(siyu: Siyu, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET_KEY}\n")
    by_value = siyu("person", "show", PHONE, "--json")
    del siyu.environment["SIYU_SECRET_KEY"]
    try:
        by_file = siyu("person", "show", PHONE, "--json", SIYU_SECRET_KEY_FILE=str(tmp_path / "key"))
    finally:
        siyu.environment["SIYU_SECRET_KEY"] = SECRET_KEY

    assert by_file == by_value
    assert by_value.returncode == 0


def test_messages_are_in_the_language_of_the_environment(siyu: Siyu) -> None:
    assert siyu("person", "show", "user_id:nobody", LANG="zh_CN.UTF-8").stderr.startswith("错误: ")


def test_nothing_is_coloured_where_nobody_looks(siyu: Siyu) -> None:
    for words in (["doctor"], ["person", "show", PHONE], ["keys", "list"], ["--help"]):
        assert "\x1b" not in siyu(*words).stdout
