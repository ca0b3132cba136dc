"""Writes the tables of docs/access.md: which role has which scopes, and which scope each route needs. Run by `make schemas`."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from api.access import scopes_needed
from core.keys import SCOPES, Role, Scope

PAGE = Path(__file__).parent.parent / "docs" / "access.md"
OPEN = "nothing"
YES = "●"


def operations(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    """Return the routes of *app* at which something is asked, by method and path, in the order of the paths."""
    return ((name, route) for name, route in every(app) if not _is_collectors(route))


def collecting(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    """Return the others, which senders know: they look at keys by themselves."""
    return ((name, route) for name, route in every(app) if _is_collectors(route))


def every(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    """Return all routes of *app* by method and path."""
    routes = (each.original_route for each in iter_route_contexts(app.routes))
    found = [(r.path, method, r) for r in routes if isinstance(r, APIRoute) for method in r.methods or ()]
    for path, method, route in sorted(found, key=lambda each: each[:2]):
        yield f"{method} {path}", route


def roles() -> str:
    """Return the table of roles: a row for each scope."""
    rows = ([f"`{scope}`", *(YES if scope in SCOPES[role] else "" for role in Role)] for scope in Scope)
    return _table(["scope", *(f"`{role}`" for role in Role)], rows)


def routes(app: FastAPI) -> str:
    """Return the table of routes: what each needs."""
    return _table(
        ["route", "needs"], ([f"`{name}`", " and ".join(_words(route)) or OPEN] for name, route in operations(app))
    )


def page(app: FastAPI) -> str:
    """Return docs/access.md with its tables as the code has them."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in (("roles", roles()), ("routes", routes(app))):
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        text = f"{before}{mark}{table}\n{end}{after}"
    return text


def _is_collectors(route: APIRoute) -> bool:
    return route.endpoint.__module__.startswith("ingest.")


def _words(route: APIRoute) -> Sequence[str]:
    """A scope that is one of all but one is told by the one that does not do."""
    return [
        "any scope but `events:write`"
        if len(each) == len(Scope) - 1
        else " or ".join(f"`{scope}`" for scope in sorted(each))
        for each in scopes_needed(route)
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
