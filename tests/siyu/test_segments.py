"""Segments as they run: defined over HTTP, followed by the watch in its process, listed and exported by the command line."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.siyu.test_cli import ADMIN_KEY, Siyu
from tests.siyu.test_end_to_end import ADMIN, served, wait_until

READERS = {"kind": "read", "at_least": 2, "within_days": 14}


def read(who: str, article: str) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    named = {"identifiers": [who], "article": {"id": article}}
    return {"type": "article.read", "channel": "h5", "occurred_at": at, **named}


def test_who_meets_a_condition_is_in_the_segment_at_once_and_in_its_export(
    tmp_path: Path, server: Callable[[], str]
) -> None:
    with Siyu(tmp_path, SIYU_DATABASE_URL=server(), SIYU_ADMIN_KEY=ADMIN_KEY, SIYU_INTENT_ALERTS="5") as siyu:
        with served(siyu, "up") as (_, client):
            client.headers.update(ADMIN)
            client.post("/v1/segments", json={"name": "readers", "when": READERS}).raise_for_status()
            wait_until(lambda: client.get("/v1/segments/readers").json()["as_of"] is not None)

            for article in ("a1", "a2"):
                client.post("/v1/events", json=read("user_id:A", article)).raise_for_status()
            client.post("/v1/events", json=read("user_id:B", "a1")).raise_for_status()

            wait_until(lambda: client.get("/v1/segments/readers").json()["people"] == 1)
            wait_until(lambda: client.get("/v1/segments/intent_5").json()["people"] == 1)
        sheet = tmp_path / "readers.csv"
        condition = tmp_path / "condition.json"
        condition.write_text(json.dumps({"kind": "read"}), encoding="utf-8")

        assert [(each["name"], each["people"]) for each in siyu.rows("segment", "list", "--json")] == [
            ("intent_5", 1),
            ("readers", 1),
        ]
        assert siyu.rows("segment", "show", "readers")[0]["when"] == READERS
        assert len(siyu.rows("segment", "eval", "readers", "--json")) == 1
        assert len(siyu.rows("segment", "eval", "--when", condition, "--json")) == 2
        assert siyu("segment", "export", "readers", "--csv", sheet).returncode == 0
        assert len(sheet.read_text(encoding="utf-8-sig").splitlines()) == 2
        assert siyu("segment", "show", "unheard_of").returncode == 4


def test_a_file_that_is_no_condition_says_where(tmp_path: Path, server: Callable[[], str]) -> None:
    wrong = tmp_path / "condition.json"
    wrong.write_text(json.dumps({"kind": "read", "at_least": -1}), encoding="utf-8")
    with Siyu(tmp_path, SIYU_DATABASE_URL=server()) as siyu:
        done = siyu("segment", "eval", "--when", wrong)

    assert done.returncode == 1
    assert "/at_least" in done.stderr
