"""What adds up of articles, made again beside the tables, in temporary ones of the same names: those who record write there.

A temporary table hides the one of the same name until its transaction ends. So what records events records them here a second
time, and the two can be compared row by row; there is no second opinion in code of what a row should say.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from core.identifier import IdentifierId
from profiles import articles
from profiles.touchpoint import Touchpoint

_KEYS = {"article": "id", "article_touch": "article_id, anchor, token", "share": "token, anchor, article_id"}


class Shadow:
    """Articles, who touched them and who shared them, made again in the open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schema = connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one()
        for table in _KEYS:
            connection.execute(
                text(f"CREATE TEMPORARY TABLE {table} (LIKE {self._schema}.{table} INCLUDING ALL) ON COMMIT DROP")
            )

    def add(self, touchpoints: Sequence[Touchpoint]) -> None:
        """Add touchpoints, all that stand under their anchors."""
        articles.record(self._connection, touchpoints, {t.anchor for t in touchpoints if t.anchor is not None})

    def add_late(self, touchpoints: Sequence[Touchpoint]) -> None:
        """Add touchpoints to whatever stands under their anchors already."""
        articles.record(self._connection, touchpoints, ())

    def cast(self) -> Collection[IdentifierId]:
        """Write into the tables what is otherwise in them, and return the anchors of the rows concerned. The shadow ends."""
        anchors: set[IdentifierId] = set()
        for table, key in _KEYS.items():
            named = "NULL" if table == "article" else "anchor::text"
            own, new = f"{self._schema}.{table}", f"pg_temp.{table}"
            for statement in (
                f"DELETE FROM {own} WHERE ({key}) IN (SELECT {key} FROM (TABLE {own} EXCEPT TABLE {new}) AS wrong)",  # noqa: S608 - no value in it
                f"INSERT INTO {own} (TABLE {new} EXCEPT TABLE {own})",
            ):
                anchors.update(self._connection.execute(text(f"{statement} RETURNING {named}")).scalars())
            self._connection.execute(text(f"DROP TABLE {new}"))
        return anchors - {None}
