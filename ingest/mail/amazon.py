"""Asking Amazon: for the certificate of a notice, and to confirm a subscription. Nothing else is ever asked for."""

from collections.abc import Awaitable, Callable

import httpx

from core.errors import Unavailable

Fetch = Callable[[str], Awaitable[bytes]]

ANSWER_BYTES_MAX = 64 << 10
CERTIFICATES_MAX = 100  # remembered
WAIT_SECONDS_MAX = 5.0


async def fetched(url: str) -> bytes:
    """Return what Amazon has at *url*, which the caller has found to be Amazon's. Raises `Unavailable` where it does not answer.

    No redirect is followed: it could lead anywhere, into our own network too.
    """
    try:
        async with (
            httpx.AsyncClient(timeout=WAIT_SECONDS_MAX, follow_redirects=False) as client,
            client.stream("GET", url) as answer,
        ):
            content = b""
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > ANSWER_BYTES_MAX:
                    break
    except httpx.HTTPError:
        raise Unavailable("Amazon does not answer") from None
    if answer.status_code != 200 or len(content) > ANSWER_BYTES_MAX:
        raise Unavailable("Amazon answers otherwise than it should")
    return content


class Certificates:
    """Finds a certificate by its address, and remembers it: Amazon gives each a new one."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._found: dict[str, bytes] = {}

    async def __call__(self, url: str) -> bytes:
        """Return the certificate (PEM) at *url*, which the caller has found to be Amazon's."""
        if url not in self._found:
            certificate = await self._fetch(url)
            if len(self._found) >= CERTIFICATES_MAX:
                del self._found[next(iter(self._found))]
            self._found[url] = certificate
        return self._found[url]
