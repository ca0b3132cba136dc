"""Asking about articles: who read them, and how they travelled."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, TypeAdapter

from api import article_schemas, article_shown, pages
from api.access import Clear
from api.context import Here
from api.pages import Paged
from api.paths import slashes
from api.schemas import Page
from api.transactions import Snapshot, Writing
from core.event import Key
from core.identifier import IdentifierId
from core.problems import raises
from profiles import articles, audience, official, people, profile
from profiles.audience import Behind
from profiles.official import OfficialCounts
from profiles.profile import Wanted

NODES_MAX = 1_000
DEPTH_MAX = 1_000
SPREADERS_MAX = 10

router = APIRouter(prefix="/v1/articles", tags=["articles"])

_LISTED = TypeAdapter(tuple[AwareDatetime, Key])
_READ: TypeAdapter[Behind] = TypeAdapter(tuple[AwareDatetime, Annotated[IdentifierId, pages.UUID_TEXT]])
_TRUTH = {"true": True, "false": False}


async def article(article_id: str) -> str:
    """Return the id in the path."""
    return slashes(article_id)


ArticleId = Annotated[str, Depends(article)]


async def wanted(
    follower: Annotated[
        Literal["true", "false"] | None, Query(description="`false`: all who are not known to follow.")
    ] = None,
    min_generation: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    min_intent: Annotated[int | None, Query(ge=0, le=100)] = None,
    reachable: Annotated[
        Literal["true", "false", "sms", "mail", "official_account"] | None,
        Query(description="By any channel, by none, or by this one."),
    ] = None,
) -> Wanted:
    """Return which readers are asked for."""
    return Wanted(
        follower=_TRUTH[follower] if follower else None,
        min_generation=min_generation,
        min_intent=min_intent,
        reachable=_TRUTH.get(reachable, reachable) if reachable else None,
    )


@router.get("")
def listing(connection: Snapshot, asked: Paged) -> Page[article_schemas.ArticleOut]:
    """Return the articles that events have named, the newest first."""
    found = articles.listing(connection, asked.after(_LISTED), asked.limit + 1)
    kept, following = pages.cut(found, asked.limit, lambda last: (last.first_at, last.id))
    return asked.answer([article_shown.article(each) for each in kept], following)


@router.get("/{article_id}")
@raises("not_found")
def show(article_id: ArticleId, connection: Snapshot) -> article_schemas.ArticleOut:
    """Return one article."""
    return article_shown.article(articles.article(connection, article_id))


@router.get("/{article_id}/stats")
@raises("not_found")
def stats(article_id: ArticleId, connection: Snapshot, clear: Clear) -> article_schemas.StatsOut:
    """Return how an article fared: reads, generations, and who spread it most."""
    known = audience.stats(connection, article_id)
    spreaders = known.audience.tree.top_spreaders(SPREADERS_MAX)
    cards = profile.cards(connection, [node.person for node in spreaders])
    return article_shown.stats(article_id, known, spreaders, cards, clear=clear)


@router.put("/{article_id}/official-counts")
@raises("too_long", "in_the_future")
def official_counts(
    article_id: ArticleId, counts: OfficialCounts, here: Here, connection: Writing
) -> article_schemas.OfficialOut:
    """Keep what the platform counts, and return the latest that is kept; no event needs to have named the article yet."""
    return article_shown.official(official.record(connection, article_id, counts, here.clock()))


@router.get(
    "/{article_id}/readers",
    response_model=Page[article_schemas.ReaderOut],
    responses=pages.document("A page of readers. It can be short, or empty, though more follow: see `page.has_more`."),
)
@raises("not_found")
def readers(
    article_id: ArticleId,
    wanted: Annotated[Wanted, Depends(wanted)],
    here: Here,
    connection: Snapshot,
    asked: Paged,
    clear: Clear,
) -> Page[article_schemas.ReaderOut] | Response:
    """Return the people who read an article, in the order of their first read."""
    page = profile.readers(connection, article_id, wanted, here.scoring, asked.after(_READ), asked.limit)
    shown_readers = [article_shown.reader(*each, clear=clear) for each in page.found]
    return asked.answer_either(shown_readers, page.next, article_shown.READERS)


@router.get("/{article_id}/share-tree")
@raises("not_found")
def share_tree(
    article_id: ArticleId,
    connection: Snapshot,
    clear: Clear,
    root: UUID | None = None,
    depth: Annotated[int | None, Query(ge=0, le=DEPTH_MAX)] = None,
) -> article_schemas.ShareTreeOut:
    """Return how an article travelled, from the push or from *root* down, at most *depth* steps."""
    top = people.survivor(connection, str(root)) if root else None
    branch = profile.branch(connection, article_id, top, depth, NODES_MAX)
    return article_shown.share_tree(article_id, branch, clear=clear)
