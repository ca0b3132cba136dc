"""Raw routes: their endpoint reads the request itself, and they are served without what FastAPI does for other routes.

FastAPI documents them. Collectors are made of them: there a request costs as much as what is done for it, so finding its
route must not cost as much again.
"""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import SiyuError
from core.http import answered

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class RawRoute(APIRoute):
    """A route whose endpoint takes the request and nothing else."""

    def get_route_handler(self) -> Endpoint:
        endpoint: Endpoint = self.endpoint
        return endpoint


class Direct:
    """Leads a request straight to its raw route among those of *routers*, and any other request to *app*.

    Routes lie by the first part of their path, so that few are tried for one request.
    """

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._routes: Mapping[str, list[tuple[RawRoute, Endpoint]]] = defaultdict(list)
        for router in routers:
            for route in router.routes:
                if isinstance(route, RawRoute):
                    self._routes[_first_part(route.path)].append((route, route.get_route_handler()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = self._found(scope) if scope["type"] == "http" and not scope.get("root_path") else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except (SiyuError, HTTPException) as error:
            response = answered(scope, error)
        await response(scope, receive, send)

    def _found(self, scope: Scope) -> Endpoint | None:
        path, method = scope["path"], scope["method"]
        for route, endpoint in self._routes.get(_first_part(path), ()):
            if method in (route.methods or ()) and (match := route.path_regex.match(path)):
                scope["path_params"] = {
                    name: route.param_convertors[name].convert(value) for name, value in match.groupdict().items()
                }
                return endpoint
        return None


def _first_part(path: str) -> str:
    return path[1:].partition("/")[0]
