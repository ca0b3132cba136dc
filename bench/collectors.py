"""How many events a collector takes, one a request, and how long a tracked link takes: `python -m bench.collectors`.

A server of one process runs on embedded PostgreSQL (or the log that `--log` names), and beside the collectors, on the same
server, a bare Starlette route that reads the body and answers. A second process asks each of them in turn, by connections
that stay open, several rounds: what counts is the share that a collector reaches of the bare route within one run. At last links
are followed at a steady pace, whatever the answers take, while events come in at half the rate that was reached.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from core import keys
from core.database import transaction
from core.event import Trust
from core.keys import Scope as KeyScope
from ingest.links.link import Signs
from siyu.serving import Role, application, prepare_interpreter
from siyu.system import System, opened

PORT = 8651
CONNECTIONS = 256
ROUND_SECONDS = 4.0
LINKS_PER_SECOND = 200
PACED_SECONDS = 20.0
LINKS = 1_000_000


def main() -> int:
    """Measure, and print one JSON object."""
    asked = _arguments()
    if asked.serve:
        _serve(asked.links)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "SIYU_DATA_DIR": str(Path(scratch) / "siyu"), "SIYU_PORT": str(PORT)}
        if asked.log:
            environment["SIYU_LOG_URL"] = asked.log
        command = [sys.executable, "-m", "bench.collectors", "--serve", "--links", str(asked.links)]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert server.stdout
        try:
            known = orjson.loads(server.stdout.readline())
            figures = asyncio.run(_measure(known, asked.rounds))
        finally:
            server.terminate()
            server.wait()
    figures |= {
        "log": asked.log or "postgres:",
        "rounds": asked.rounds,
        "connections": CONNECTIONS,
        "links": asked.links,
    }
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.collectors", description=__doc__)
    parser.add_argument("--log")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--links", type=int, default=LINKS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


# The server


def _serve(links: int) -> None:
    with opened() as system:
        known = _prepared(system, links)
        prepare_interpreter()
        ours = application(system, {Role.COLLECT})
        bare = Starlette(routes=[Route("/bare", _bare, methods=["GET", "POST"])])

        async def either(scope: Scope, receive: Receive, send: Send) -> None:
            await (bare if scope.get("path") == "/bare" else ours)(scope, receive, send)

        print(orjson.dumps(known).decode(), flush=True)
        uvicorn.run(either, host="127.0.0.1", port=PORT, log_level="warning", access_log=False)


async def _bare(request: Request) -> Response:
    await request.body()
    return Response(b'{"accepted":1,"rejected":[]}', 202, media_type="application/json")


def _prepared(system: System, links: int) -> Mapping[str, Any]:
    with transaction(system.engine) as connection:
        secret, _ = keys.create(connection, [KeyScope.EVENTS_WRITE], "bench", Trust.SERVER, system.clock())
        connection.execute(
            text(
                "INSERT INTO tracked_link (url, channel, recipient, properties, honeypot, created_at, request, place)"
                " SELECT 'https://h5.example/a/' || n, 'sms', 'phone:+86139' || lpad(n::text, 8, '0'), '{}', false, now(),"
                " decode(lpad(to_hex(n), 16, '0'), 'hex'), 0 FROM generate_series(1, :links) AS n"
            ),
            {"links": links},
        )
        numbers = connection.execute(text("SELECT id FROM tracked_link TABLESAMPLE SYSTEM (1) LIMIT 5000")).scalars()
        follow = Signs.of(system.signing_key).follow
        return {"key": secret, "tokens": [follow.written(number) for number in numbers]}


# Who asks


async def _measure(known: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    asked = {
        "bare": [_request("POST", "/bare", known["key"], _event(n)) for n in range(500)],
        "POST /v1/events": [_request("POST", "/v1/events", known["key"], _event(n)) for n in range(500)],
        "POST /v1/track": [_request("POST", "/v1/track", known["key"], _message(n)) for n in range(500)],
        "GET /s/{token}": [_request("GET", f"/s/{token}", "", b"") for token in known["tokens"]],
    }
    await _until_it_serves()
    taken: dict[str, list[list[float]]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, requests in asked.items():
            taken[name].append(await _round(requests))
    rates = {name: statistics.median(len(each) / ROUND_SECONDS for each in told) for name, told in taken.items()}
    figures: dict[str, Any] = {
        name: {
            "per_second": round(rates[name]),
            "of_bare": round(rates[name] / rates["bare"], 3),
            **_milliseconds([seconds for each in told for seconds in each]),
        }
        for name, told in taken.items()
    }
    half = rates["POST /v1/events"] / 2
    paced = await asyncio.gather(
        _pace(asked["GET /s/{token}"], LINKS_PER_SECOND, 32), _pace(asked["POST /v1/events"], half, 128)
    )
    figures["paced"] = {
        f"GET /s/{{token}}, {LINKS_PER_SECOND} a second": _milliseconds(paced[0]),
        f"POST /v1/events, {half:.0f} a second": _milliseconds(paced[1]),
    }
    return figures


async def _pace(requests: Sequence[bytes], per_second: float, connections: int) -> list[float]:
    """Ask *per_second* times a second, by turns on *connections*; a time counts from when the request was due."""
    begun = time.perf_counter()
    due = [at / per_second for at in range(int(PACED_SECONDS * per_second))]

    async def one(turn: int) -> list[float]:
        taken: list[float] = []
        async with _connection() as (reader, writer):
            for at in range(turn, len(due), connections):
                await asyncio.sleep(begun + due[at] - time.perf_counter())
                await _answered(reader, writer, requests[at % len(requests)])
                taken.append(time.perf_counter() - begun - due[at])
        return taken

    return [seconds for each in await asyncio.gather(*map(one, range(connections))) for seconds in each]


def _milliseconds(seconds: Sequence[float]) -> Mapping[str, float]:
    hundredths = statistics.quantiles(seconds, n=100)
    return {f"p{at}_ms": round(1_000 * hundredths[at - 1], 1) for at in (50, 99)}


async def _round(requests: list[bytes]) -> list[float]:
    until = time.perf_counter() + ROUND_SECONDS
    share = max(1, len(requests) // CONNECTIONS)
    asking = [_ask(requests[at * share :] + requests[: at * share], until) for at in range(CONNECTIONS)]
    return [seconds for each in await asyncio.gather(*asking) for seconds in each]


async def _ask(requests: Sequence[bytes], until: float) -> list[float]:
    taken: list[float] = []
    async with _connection() as (reader, writer):
        while time.perf_counter() < until:
            started = time.perf_counter()
            await _answered(reader, writer, requests[len(taken) % len(requests)])
            taken.append(time.perf_counter() - started)
    return taken


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if head[9:12] not in (b"202", b"200", b"302"):
        raise SystemExit(f"answered {head[:200]!r}")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
    await reader.readexactly(int(length or 0))


@asynccontextmanager
async def _connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _until_it_serves() -> None:
    for _ in range(200):
        try:
            async with _connection():
                return
        except OSError:
            await asyncio.sleep(0.1)
    raise SystemExit("the server does not answer")


def _request(method: str, path: str, key: str, content: bytes) -> bytes:
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _event(number: int) -> bytes:
    return orjson.dumps(
        {
            "type": "article.read",
            "channel": "h5",
            "occurred_at": "2026-11-03T20:41:07+08:00",
            "identifiers": [f"wechat_openid@wx8a1:o{number}", f"anonymous_id@h5:c-{number}"],
            "article": {"id": "a-1103", "title": "秋季选型指南"},
            "properties": {"dwell_ms": 130_000, "scroll": 0.96},
        }
    )


def _message(number: int) -> bytes:
    return orjson.dumps({"userId": f"u{number}", "event": "Read", "properties": {"n": number}})


if __name__ == "__main__":
    sys.exit(main())
