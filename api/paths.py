"""Ids of other people's making in a path: a `/` that is part of one is written `%2F`, and has to stay where it is."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

# Stands for an encoded slash while a request is routed. No id contains it: `core.event` refuses U+0000.
_SLASH = "\0"
_ENCODED = re.compile(r"%2f", re.IGNORECASE)


class KeepSlashes:
    """Keeps encoded slashes apart from those that divide a path, which servers decode alike."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and _ENCODED.search(raw.decode("latin-1")):
            path = raw.decode("latin-1").partition("?")[0]
            scope = {**scope, "path": unquote(_ENCODED.sub("%00", path))}
        await self._app(scope, receive, send)


def slashes(kept: str) -> str:
    """Return a path parameter with its slashes in place."""
    return kept.replace(_SLASH, "/")
