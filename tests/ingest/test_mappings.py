"""Saved mappings: kept as they were written, and only where they are mappings."""

import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.errors import InvalidSetting, NotFound
from ingest import mappings
from ingest.layout import Layout
from tests.ingest.given import NOW

WRITTEN = {"columns": {"实付": "order.amount"}, "units": {"order.amount": "yuan"}, "zone": "+08:00"}


def test_what_is_saved_reads_as_it_was_written_and_the_last_of_a_name_counts(engine: Engine) -> None:
    with transaction(engine) as connection:
        mappings.save(connection, "shop", {"columns": {}}, NOW)
        mappings.save(connection, "shop", WRITTEN, NOW)

    with transaction(engine) as connection:
        (saved,) = mappings.listing(connection)
    assert saved.layout == Layout({"实付": "order.amount"}, {}, "+08:00", {"order.amount": "yuan"})


@pytest.mark.parametrize(
    ("name", "written"), [("shop.toml", WRITTEN), ("", WRITTEN), ("shop", {"other": 1}), ("shop", [])]
)
def test_what_is_no_mapping_is_not_saved(engine: Engine, name: str, written: object) -> None:
    with transaction(engine) as connection, pytest.raises(InvalidSetting):
        mappings.save(connection, name, written, NOW)


def test_what_is_forgotten_is_not_there(engine: Engine) -> None:
    with transaction(engine) as connection:
        mappings.save(connection, "shop", WRITTEN, NOW)
        mappings.forget(connection, "shop")

        for ask in (mappings.found, mappings.forget):
            with pytest.raises(NotFound):
                ask(connection, "shop")
