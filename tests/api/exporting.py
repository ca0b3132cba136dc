"""Exports as the tests make them: asked for, made by a process beside, and fetched; and a world that has something to export."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import Engine

from api.exporting import exporter
from api.exporting.exporter import Exporter
from profiles import intent
from tests.api.world import NOW, World

PHONE, MAIL, COOKIE = "phone:+8613912345678", "email:li@example.com", "anonymous_id@h5:c1"
ARTICLE = {"id": "a-1", "title": "秋季选型指南"}
PATIENCE_SECONDS = 20.0


@contextmanager
def exporting(engine: Engine, now: datetime = NOW) -> Iterator[threading.Event]:
    """Let a process make exports."""
    stop = threading.Event()
    thread = threading.Thread(target=Exporter(engine, intent.shipped(), lambda: now).run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


def made(client: httpx.Client, engine: Engine, **asked: Any) -> dict[str, Any]:
    """Ask for an export, have it made, and return what became of it."""
    answer = client.post("/v1/exports", json=asked)
    assert answer.status_code == 202, answer.text
    with exporting(engine):
        return awaited(client, answer.headers["location"])


def awaited(client: httpx.Client, address: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE_SECONDS
    while (job := dict(client.get(address).json()))["status"] in ("queued", "running"):
        assert time.monotonic() < until, job
        time.sleep(0.02)
    return job


def fetched(client: httpx.Client, engine: Engine, **asked: Any) -> list[dict[str, Any]]:
    """The rows of an export as NDJSON."""
    job = made(client, engine, format="ndjson", **asked)
    assert job["status"] == "done", job
    return [orjson.loads(line) for line in client.get(job["result"]).content.splitlines()]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends does not wait for news first."""
    monkeypatch.setattr(exporter, "WAIT_SECONDS", 0.02)


@pytest.fixture
def lived_in(world: World) -> World:
    """Li, whose phone and mail we have, reads an article, shares it, and says yes to texts; a stranger reads it by his link."""
    world.happens(PHONE, MAIL, type="form.submitted", properties={"name": "李雷", "city": "上海"})
    world.happens(PHONE, type="consent.given", channel="sms", properties={"purpose": "marketing"}, minute=1)
    world.happens(PHONE, type="article.read", article=ARTICLE, minute=2)
    world.happens(PHONE, type="article.shared", article=ARTICLE, share={"token": "s1"}, minute=3)
    world.happens(COOKIE, type="article.read", article=ARTICLE, share={"token": "s1"}, minute=4)
    world.happens("user_id:robot-in-the-hall", properties={"bot": True}, minute=5)
    return world
