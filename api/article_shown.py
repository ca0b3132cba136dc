"""From what we know of an article to what is shown of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from api import article_schemas
from api.article_schemas import ReaderOut
from api.table import Sheet
from core.identifier import PersonId
from profiles.articles import Article
from profiles.audience import Reader, Stats
from profiles.official import OfficialCounts
from profiles.profile import Branch, Card
from profiles.sharetree import Node


def article(of: Article) -> article_schemas.ArticleOut:
    """Show an article."""
    return article_schemas.ArticleOut(
        id=of.id, title=of.title, url=of.url, topics=list(of.topics), first_at=of.first_at
    )


def stats(
    article_id: str, of: Stats, spreaders: Sequence[Node], cards: Mapping[PersonId, Card], *, clear: bool
) -> article_schemas.StatsOut:
    """Show how an article fared."""
    sizes = of.audience.tree.generations
    return article_schemas.StatsOut(
        article_id=article_id,
        readers=len(of.audience.readers),
        reads=of.reads,
        anonymous_reads=of.anonymous_reads,
        suspected_bot_reads=of.bot_reads,
        non_followers=of.non_followers,
        k_factor=of.audience.tree.k_factor,
        depth=of.audience.tree.depth,
        generations=[
            article_schemas.Generation(generation=at + 1, people=people, ratio=people / sizes[at - 1] if at else None)
            for at, people in enumerate(sizes)
        ],
        top_spreaders=[
            article_schemas.Spreader(
                person_id=node.person,
                label=cards[node.person].label(clear=clear),
                generation=node.generation,
                children=node.children,
                descendants=node.descendants,
            )
            for node in spreaders
        ],
        official=official(of.official) if of.official else None,
        coverage=of.coverage,
    )


def official(of: OfficialCounts) -> article_schemas.OfficialOut:
    """Show what the platform counts."""
    return article_schemas.OfficialOut(**asdict(of))


def reader(of: Reader, card: Card, intent: int, *, clear: bool) -> ReaderOut:
    """Show a reader of an article, with the score of his *intent*."""
    return ReaderOut(
        person_id=of.person,
        label=card.label(clear=clear),
        company=card.company,
        first_read_at=of.first_read_at,
        last_read_at=of.last_read_at,
        reads=of.reads,
        dwell_ms=of.dwell_ms,
        scroll=of.scroll,
        generation=of.generation,
        came_from=of.came_from,
        scene=of.scene,
        follower=card.follower,
        reachable_via=list(card.reachable_via),
        intent=intent,
        presumed=of.is_presumed,
    )


READERS: Sheet[article_schemas.ReaderOut] = Sheet(
    tuple(article_schemas.ReaderOut.model_fields), article_schemas.ReaderOut.model_dump
)


def share_tree(article_id: str, of: Branch, *, clear: bool) -> article_schemas.ShareTreeOut:
    """Show a share tree, or a part of it."""
    return article_schemas.ShareTreeOut(
        article_id=article_id,
        nodes=[_node(node, card, of.first_read_at.get(node.person), clear=clear) for node, card in of.nodes],
        people=of.people,
        depth=of.depth,
        truncated=of.people > len(of.nodes),
    )


def _node(of: Node, card: Card, first_read_at: datetime | None, *, clear: bool) -> article_schemas.TreeNode:
    return article_schemas.TreeNode(
        person_id=of.person,
        label=card.label(clear=clear),
        parent=of.parent,
        generation=of.generation,
        children=of.children,
        descendants=of.descendants,
        entered_at=of.entered_at,
        first_read_at=first_read_at,
    )
