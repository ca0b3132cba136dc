"""`POST /v1/events`, as a sender sees it."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import brotli  # type: ignore[import-untyped] # it comes without types
import httpx
import jsonschema
import orjson
import pytest
import zstandard
from fastapi import FastAPI
from sqlalchemy import Engine

import core.http
from core.errors import Unauthorized, Unavailable
from core.keys import Key
from core.log.port import EVENTS, Log
from core.log.postgres import PostgresLog
from core.metrics import EVENTS_ACCEPTED
from ingest.auth import KeyCache
from ingest.body import BODY_BYTES_MAX
from ingest.commit import GroupCommit
from ingest.http import EVENTS_MAX, routes
from tests.ingest.given import BROWSER, READER, SERVER, MemoryLog, document, event, intake, receiver

KEYS = {"server": SERVER, "browser": BROWSER, "reader": READER}
AUTHORIZED = {"authorization": "Bearer server"}

Compress = Callable[[bytes], bytes]
COMPRESSIONS: dict[str, Compress] = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress}


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    log = MemoryLog()
    yield log
    log.free.set()


def find(secret: str) -> Key:
    if secret not in KEYS:
        raise Unauthorized("this key is unknown")
    return KEYS[secret]


def application(commit: GroupCommit) -> FastAPI:
    app = FastAPI()
    core.http.install(app)
    app.include_router(routes(intake(commit), KeyCache(find)))
    return app


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://siyu", headers=AUTHORIZED)


def post(log: Log, body: Any, **headers: str) -> httpx.Response:
    """Send one *body*, JSON or bytes, to a collector on *log*."""

    async def story() -> httpx.Response:
        commit = GroupCommit(log, EVENTS)
        async with client(application(commit)) as sender:
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            response = await sender.post("/v1/events", content=content, headers=headers)
        await commit.close()
        return response

    return asyncio.run(story())


def accepted(log: MemoryLog, body: Any, **headers: str) -> Any:
    response = post(log, body, **headers)
    assert response.status_code == 202, response.text
    return response.json()


def problem(log: MemoryLog, body: Any, status: int, **headers: str) -> Any:
    response = post(log, body, **headers)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert log.records == []
    return response.json()


def test_one_event_is_taken(log: MemoryLog) -> None:
    before = _accepted("server")

    assert accepted(log, event(id="1")) == {"accepted": 1, "rejected": []}

    assert log.ids == {"1": 1}
    assert _accepted("server") == before + 1


def test_of_several_events_the_good_ones_are_taken_and_the_bad_ones_listed(log: MemoryLog) -> None:
    events: list[Any] = [event(id=str(number)) for number in range(EVENTS_MAX)]
    events[7] = event(type="13912345678")
    events[9] = "13912345678"

    receipt = accepted(log, {"events": events})

    assert receipt["accepted"] == EVENTS_MAX - 2
    assert [(fault["index"], fault["code"], fault["pointer"]) for fault in receipt["rejected"]] == [
        (7, "value_error", "/type"),
        (9, "invalid_type", ""),
    ]
    assert "13912345678" not in str(receipt)
    assert log.ids == {str(number): 1 for number in range(EVENTS_MAX) if number not in {7, 9}}


def test_a_batch_without_a_good_event_is_answered_like_any_batch(log: MemoryLog) -> None:
    assert accepted(log, {"events": []}) == {"accepted": 0, "rejected": []}
    assert accepted(log, {"events": [event(type="no")]})["accepted"] == 0
    assert log.appends == []


def test_a_bad_event_by_itself_is_a_problem(log: MemoryLog) -> None:
    said = problem(log, event(channel=1), 400)

    assert said["errors"][0]["pointer"] == "/channel"


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer server"}, {"authorization": "Basic c2VydmVyOg=="}], ids=["bearer", "basic"]
)
def test_the_key_comes_in_a_header(log: MemoryLog, headers: dict[str, str]) -> None:
    accepted(log, event(id="1"), **headers)

    assert document(log.records[0])["source"] == "hq"


@pytest.mark.parametrize("body", [event(id="1"), {"events": [event(id="1")]}], ids=["one", "several"])
def test_the_key_comes_in_the_body(log: MemoryLog, body: dict[str, Any]) -> None:
    async def story() -> httpx.Response:
        commit = GroupCommit(log, EVENTS)
        async with client(application(commit)) as sender:
            del sender.headers["authorization"]
            return await sender.post("/v1/events", json={**body, "writeKey": "browser"})

    assert asyncio.run(story()).status_code == 202
    assert document(log.records[0])["source"] == "h5"
    assert log.records[0].headers["ce_id"] == receiver().receive(event(id="1"), BROWSER)[0].uid


def test_the_write_key_is_no_part_of_the_event(log: MemoryLog) -> None:
    accepted(log, event())
    accepted(log, {**event(), "writeKey": "server"})

    (_, twice), *others = log.ids.items()
    assert (twice, others) == (2, [])


@pytest.mark.parametrize(
    ("authorization", "status"), [("Bearer unknown", 401), ("Bearer reader", 403), ("Bearer ", 401), ("Basic !", 401)]
)
def test_other_keys_are_turned_away(log: MemoryLog, authorization: str, status: int) -> None:
    problem(log, event(), status, authorization=authorization)


def test_a_sender_without_a_key_is_turned_away(log: MemoryLog) -> None:
    async def story() -> list[int]:
        commit = GroupCommit(log, EVENTS)
        async with client(application(commit)) as sender:
            del sender.headers["authorization"]
            bodies = [event(), {**event(), "writeKey": "unknown"}, {**event(), "writeKey": 1}]
            return [(await sender.post("/v1/events", json=body)).status_code for body in bodies]

    assert asyncio.run(story()) == [401, 401, 400]
    assert log.records == []


def test_a_browser_speaks_for_its_own_source_only(log: MemoryLog) -> None:
    accepted(log, event(source="hq"), authorization="Bearer browser")

    assert document(log.records[0])["source"] == "h5"


def test_the_answer_waits_for_the_log(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        async with client(application(commit)) as sender:
            log.free.clear()
            answer = asyncio.create_task(sender.post("/v1/events", json=event()))
            await asyncio.to_thread(log.reached.wait)
            await asyncio.sleep(0.05)
            assert not answer.done()

            log.free.set()
            assert (await answer).status_code == 202
        await commit.close()

    asyncio.run(story())


def test_requests_at_the_same_time_share_an_append(log: MemoryLog) -> None:
    async def story() -> Sequence[httpx.Response]:
        commit = GroupCommit(log, EVENTS)
        async with client(application(commit)) as sender:
            log.free.clear()
            answers = [asyncio.create_task(sender.post("/v1/events", json=event(id=str(n)))) for n in range(50)]
            await asyncio.to_thread(log.reached.wait)
            await asyncio.sleep(0.2)
            log.free.set()
            return await asyncio.gather(*answers)

    assert {response.status_code for response in asyncio.run(story())} == {202}
    assert log.ids == {str(n): 1 for n in range(50)}
    assert len(log.appends) < 10


def test_a_log_that_fails_is_answered_503(log: MemoryLog) -> None:
    log.failures = [Unavailable("no broker")]

    response = post(log, {"events": [event(), event(type="no")]})

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert "retry-after" in response.headers


def test_too_much_at_once_is_answered_503_with_a_time_to_come_again(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS, waiting_events_max=10)
        async with client(application(commit)) as sender:
            refused = await sender.post("/v1/events", json={"events": [event()] * 11})
            taken = await sender.post("/v1/events", json={"events": [event()] * 10})
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert taken.status_code == 202

    asyncio.run(story())


def test_a_sender_who_hangs_up_breaks_nothing(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        async with client(application(commit)) as sender:
            log.free.clear()
            impatient = asyncio.create_task(sender.post("/v1/events", json=event(id="1")))
            await asyncio.to_thread(log.reached.wait)
            impatient.cancel()
            patient = asyncio.create_task(sender.post("/v1/events", json=event(id="2")))
            await asyncio.sleep(0.05)
            log.free.set()
            assert (await patient).status_code == 202
        await commit.close()

    asyncio.run(story())

    assert log.ids == {"1": 1, "2": 1}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", ""),
        (b"null", ""),
        (b"[]", ""),
        (b'"13912345678"', ""),
        (b'{"properties": {"x": NaN}}', ""),
        (b'{"type": "\\ud800"}', ""),
        (b'{"type": "\xff"}', ""),
        (b"[" * 1_000_000, ""),
        (b'{"properties":' * 900, ""),
        (b'{"events": {}}', "/events"),
        (b'{"events": [], "13912345678": 1}', ""),
        (orjson.dumps({"events": [{}] * (EVENTS_MAX + 1)}), "/events"),
        (orjson.dumps(event(properties={"x": "13912345678\0"})), "/properties"),
        (orjson.dumps(event(properties={"x": "x" * 70_000})), ""),
    ],
)
def test_a_hostile_body_is_a_problem_that_repeats_nothing(log: MemoryLog, body: bytes, pointer: str) -> None:
    said = problem(log, body, 400)

    assert said["errors"][0]["pointer"] == pointer
    assert "13912345678" not in str(said)


@pytest.mark.parametrize("encoding", COMPRESSIONS)
def test_a_compressed_body_is_read(log: MemoryLog, encoding: str) -> None:
    body = orjson.dumps({"events": [event(id=str(number)) for number in range(EVENTS_MAX)]})

    assert accepted(log, COMPRESSIONS[encoding](body), **{"content-encoding": encoding})["accepted"] == EVENTS_MAX


@pytest.mark.parametrize("encoding", COMPRESSIONS)
def test_a_body_that_is_not_compressed_as_it_says_is_a_problem(log: MemoryLog, encoding: str) -> None:
    whole = COMPRESSIONS[encoding](orjson.dumps(event()))

    for body in (b"{}", b"", whole[: len(whole) // 2]):
        problem(log, body, 400, **{"content-encoding": encoding})


def test_an_unknown_compression_is_refused(log: MemoryLog) -> None:
    for encoding in ("compress", "gzip, gzip", "deflate"):
        problem(log, b"{}", 415, **{"content-encoding": encoding})


def test_a_body_up_to_the_limit_is_read_and_one_byte_more_is_not(log: MemoryLog) -> None:
    batch = orjson.dumps({"events": []})
    body = batch + b" " * (BODY_BYTES_MAX - len(batch))

    for encoding, compress in {"identity": bytes, **COMPRESSIONS}.items():
        accepted(log, compress(body), **{"content-encoding": encoding})
        problem(log, compress(body + b" "), 413, **{"content-encoding": encoding})


@pytest.mark.parametrize("encoding", COMPRESSIONS)
def test_a_bomb_is_stopped_while_it_is_decompressed(log: MemoryLog, encoding: str) -> None:
    bomb = BOMBS[encoding]()
    assert len(bomb) < BODY_BYTES_MAX

    tracemalloc.start()
    problem(log, bomb, 413, **{"content-encoding": encoding})
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 20 << 20


def test_a_body_without_a_length_is_read_no_further_than_the_limit(log: MemoryLog) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    async def story() -> int:
        async with client(application(GroupCommit(log, EVENTS))) as sender:
            return (await sender.post("/v1/events", content=endless())).status_code

    assert asyncio.run(story()) == 413
    assert sent <= BODY_BYTES_MAX + 2 * 65_536


def test_a_declared_length_over_the_limit_is_not_read_at_all(log: MemoryLog) -> None:
    for length in (str(BODY_BYTES_MAX + 1), "9" * 5_000):
        problem(log, b"{}", 413, **{"content-length": length})


def test_the_openapi_document_describes_what_is_sent() -> None:
    app = application(GroupCommit(MemoryLog(), EVENTS))

    operation = app.openapi()["paths"]["/v1/events"]["post"]

    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert "$ref" not in str(schema)
    for body in (event(), {**event(identifiers=["phone:139"]), "writeKey": "k"}, {"events": [event()]}):
        jsonschema.validate(body, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"events": [{"type": "article.read"}]}, schema)
    assert operation["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].endswith("/Receipt")


def test_what_is_answered_202_is_in_the_log_of_the_database(engine: Engine) -> None:
    log = PostgresLog(engine, 4)

    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        async with client(application(commit)) as sender:
            answers = await asyncio.gather(*(sender.post("/v1/events", json=event(id=str(n))) for n in range(40)))
        await commit.close()
        assert {answer.status_code for answer in answers} == {202}

    asyncio.run(story())

    with log.consumer(EVENTS, "test") as consumer:
        read = consumer.read(100, 5)
    assert sorted(int(document(stored.record)["id"]) for stored in read) == list(range(40))


def _gzip_bomb() -> bytes:
    compressor = zlib.compressobj(9, wbits=31)
    return b"".join(compressor.compress(b" " * (1 << 20)) for _ in range(500)) + compressor.flush()


def _brotli_bomb() -> bytes:
    compressor = brotli.Compressor(quality=5)
    pressed: list[bytes] = [compressor.process(b" " * (1 << 20)) for _ in range(500)]
    return b"".join(pressed) + bytes(compressor.finish())


def _zstd_bomb() -> bytes:
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    return b"".join(compressor.compress(b" " * (1 << 20)) for _ in range(500)) + compressor.flush()


BOMBS: dict[str, Callable[[], bytes]] = {"gzip": _gzip_bomb, "br": _brotli_bomb, "zstd": _zstd_bomb}


def _accepted(trust: str) -> float:
    samples = [sample for metric in EVENTS_ACCEPTED.collect() for sample in metric.samples]
    return sum(s.value for s in samples if s.name.endswith("_total") and s.labels["trust"] == trust)
