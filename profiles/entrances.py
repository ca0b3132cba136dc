"""How people came in: the first event of somebody, who brought him, and the chain of people from the push down to him."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from core.identifier import PersonId
from profiles import audience, touches
from profiles.summary import Summary

PATH_MAX = 50  # people of a chain that are shown: those nearest to him


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a person came in: his first event, and who brought him, where it was an article read by somebody's link.

    *path* are the people from the push down to himself, in the share tree of that article, *generation* how many; of more than
    `PATH_MAX` the last. Both are empty where no article brought him.
    """

    at: datetime
    type: str
    channel: str
    article_id: str | None
    brought_by: PersonId | None
    generation: int | None
    path: Sequence[PersonId]


def of_person(connection: Connection, person_id: PersonId, known: Summary) -> Entrance | None:
    """Return how a person (of the present id) came in, of whom this is *known*; `None` where no event is his."""
    if known.entry is None:
        return None
    at, _, said = known.entry
    assert isinstance(said, dict)
    token, article_id = said["token"], said["article_id"]
    sharer = touches.sharer(connection, str(token), str(article_id)) if token and article_id else None
    is_touch = said["type"] in ("article.read", "article.shared")
    path = audience.path(connection, str(article_id), person_id) if article_id and is_touch else ()
    return Entrance(
        at=datetime.fromisoformat(at),
        type=str(said["type"]),
        channel=str(said["channel"]),
        article_id=str(article_id) if article_id else None,
        brought_by=sharer if sharer != person_id else None,
        generation=len(path) or None,
        path=path[-PATH_MAX:],
    )
