"""Jobs: taken up once, again after a death, given up at last, and forgotten with their files."""

import io
import time
from datetime import timedelta
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from api.exporting import exporter, sources
from core import jobs
from core.database import transaction
from core.errors import NotFound
from core.session import Session
from tests.api.exporting import PATIENCE_SECONDS, awaited, exporting, impatient, lived_in, made
from tests.api.world import NOW, World

__all__ = ["impatient", "lived_in"]  # fixtures

pytestmark = pytest.mark.usefixtures("impatient")


def test_a_job_whose_process_died_is_taken_up_again(lived_in: World, sales: httpx.Client) -> None:
    address = sales.post("/v1/exports", json={"what": "people"}).headers["location"]
    with Session(lived_in.engine, jobs.CHANNEL) as dying:
        taken = jobs.take(dying, NOW)
        assert taken
        with exporting(lived_in.engine):
            time.sleep(0.2)
            assert sales.get(address).json()["status"] == "running"
            dying.close()

            job = awaited(sales, address)

    assert job["status"] == "done"
    with transaction(lived_in.engine) as connection, pytest.raises(jobs.Overtaken):
        jobs.report(connection, taken, 1, 1)


def test_a_job_that_kills_whoever_takes_it_fails_at_last(lived_in: World, sales: httpx.Client) -> None:
    address = sales.post("/v1/exports", json={"what": "people"}).headers["location"]
    for _ in range(jobs.ATTEMPTS_MAX):
        with Session(lived_in.engine, jobs.CHANNEL) as dying:
            assert jobs.take(dying, NOW)

    with exporting(lived_in.engine):
        job = awaited(sales, address)

    assert (job["status"], job["error"]) == ("failed", "it was begun again and again, and never ended")


def test_two_processes_make_each_export_once(lived_in: World, sales: httpx.Client) -> None:
    addresses = [sales.post("/v1/exports", json={"what": "people"}).headers["location"] for _ in range(6)]

    with exporting(lived_in.engine), exporting(lived_in.engine):
        done = [awaited(sales, address) for address in addresses]

    assert {job["status"] for job in done} == {"done"}
    with transaction(lived_in.engine) as connection:
        assert connection.execute(text("SELECT sum(attempts) FROM job")).scalar_one() == 6


def test_what_is_being_made_when_the_process_ends_is_put_back(
    lived_in: World, sales: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "REPORT_ROWS", 1)
    address = sales.post("/v1/exports", json={"what": "events"}).headers["location"]
    with exporting(lived_in.engine) as stop:
        monkeypatch.setattr(jobs, "report", lambda *_: stop.set())

    job = sales.get(address).json()
    assert (job["status"], job["started_at"]) == ("queued", None)


def test_an_export_that_is_too_large_says_so(
    lived_in: World, sales: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "RESULT_BYTES_MAX", -1)

    job = made(sales, lived_in.engine, what="people")

    assert job["status"] == "failed"
    assert "ask for a part of it" in job["error"]


def test_an_error_that_nobody_foresaw_is_that_of_its_export_only(
    lived_in: World, sales: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(lived_in.engine) as connection:
        broken = jobs.ask(connection, "key", {"what": "no such thing"}, NOW, is_clear=False)

    assert made(sales, lived_in.engine, what="people")["status"] == "done"
    with transaction(lived_in.engine) as connection:
        assert jobs.found(connection, broken.id).status is jobs.Status.FAILED


def test_who_was_overtaken_while_it_failed_goes_on_to_the_next(
    lived_in: World, sales: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = sales.post("/v1/exports", json={"what": "people"}).headers["location"]
    found = sources.source

    def overtaken(*asked: Any) -> Any:
        with transaction(lived_in.engine) as connection:
            connection.execute(text("UPDATE job SET attempts = attempts + 1"))
        monkeypatch.setattr(sources, "source", found)
        raise NotFound("gone")

    monkeypatch.setattr(sources, "source", overtaken)

    with exporting(lived_in.engine):
        assert awaited(sales, address)["status"] == "done"


def test_no_more_wait_than_can(sales: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "WAITING_MAX", 1)
    assert sales.post("/v1/exports", json={"what": "people"}).status_code == 202

    answer = sales.post("/v1/exports", json={"what": "people"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_a_file_comes_in_parts_and_is_forgotten_after_a_day(
    lived_in: World, sales: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PART_BYTES_MAX", 100)
    job = made(sales, lived_in.engine, what="people", format="parquet")
    content = sales.get(job["result"]).content
    assert len(content) == job["size_bytes"] > 100
    assert pq.read_table(io.BytesIO(content)).num_rows == 2
    assert job["expires_at"] == (NOW + jobs.KEPT).isoformat().replace("+00:00", "Z")

    with exporting(lived_in.engine, NOW + jobs.KEPT + timedelta(seconds=1)):
        until = time.monotonic() + PATIENCE_SECONDS
        while sales.get(job["result"]).status_code != 404:
            assert time.monotonic() < until

    with transaction(lived_in.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM job_part")).scalar_one() == 0
