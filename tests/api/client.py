"""A client that asks an application in this process, without a server between them, and holds it to its OpenAPI document."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from tests import contract


class _InProcess(httpx.BaseTransport):
    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._transport = httpx.ASGITransport(app)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._portal.call(self._ask, request)
        contract.check(response, request.method, request.url.raw_path.decode().partition("?")[0])
        return response

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())


@contextmanager
def asking(app: FastAPI, secret: str | None = None, at: str = "http://siyu.test") -> Iterator[httpx.Client]:
    """Open a client of *app*, which it finds *at* an address, that sends the key *secret*."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    with start_blocking_portal() as portal:
        transport = _InProcess(app, portal)
        with httpx.Client(transport=transport, base_url=at, headers=headers) as client:
            yield client
