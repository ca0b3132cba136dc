"""The views for analysts: of one mind with the API, without a word of who somebody is, and all that their role may read."""

import re
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from core import analysts
from core.database import metadata, transaction
from core.directive import Kind
from core.errors import Refused
from profiles import audience, masking, orders
from stitcher import rebuild
from tests.api.world import INDEX, NOW, RULES, World
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
COLUMNS = text(
    "SELECT c.table_name, c.column_name, col_description(format('siyu.%I', c.table_name)::regclass, c.ordinal_position::int)"
    "  FROM information_schema.columns AS c WHERE table_schema = 'siyu' ORDER BY 1, c.ordinal_position"
)
ARTICLE = {"id": "a-1", "title": "秋季选型指南", "topics": ["crm"]}
SECRETS = ("13912345678", "13900000001", "li@example.com", "oMarySecret1", "wang-the-user-id", "王小明")


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def lived_in(world: World, seed: int = 7) -> None:
    """People who read, pass on, follow and buy, are merged, split and taken back."""
    chance = Random(seed)
    names = [f"user_id:u{n}" for n in range(6)] + [f"phone:+861390000000{n}" for n in range(6)]
    names += [f"anonymous_id@h5:c{n}" for n in range(8)]
    happened = []
    for number in range(90):
        who, other = chance.sample(names, 2)
        minute = chance.randrange(1_400)
        token = f"t{chance.randrange(9)}"
        match chance.randrange(9):
            case 0 | 1 | 2:
                event = world.happens(who, type="article.read", article=ARTICLE, share={"token": token}, minute=minute)
            case 3 | 4:
                event = world.happens(
                    who, type="article.shared", article=ARTICLE, share={"token": token}, minute=minute
                )
            case 5 | 6:
                bought = {"id": f"o{chance.randrange(20)}", "amount": chance.randrange(999), "currency": "CNY"}
                kind = chance.choice(["order.paid", "order.paid", "order.refunded"])
                event = world.happens(who, type=kind, channel="shop", order=bought, minute=minute)
            case 7:
                event = world.happens(who, other, minute=minute, properties={"bot": chance.random() < 0.2})
            case _:
                world.decide(chance.choice([Kind.CANNOT_LINK, Kind.MUST_LINK]), who, other, minute=number)
                continue
        happened.append(event)
    for event in chance.sample(happened, 4):
        world.decide(Kind.RETRACT, event=event, minute=200)


def rows(connection: Connection, statement: str) -> Sequence[Any]:
    return connection.execute(text(statement)).all()


def everything(world: World) -> dict[str, list[str]]:
    """All rows of all views."""
    with transaction(world.engine) as connection:
        names = {row[0] for row in connection.execute(COLUMNS)}
        return {name: sorted(map(str, rows(connection, f"SELECT * FROM siyu.{name}"))) for name in sorted(names)}


def test_every_view_and_column_is_explained_in_the_database_and_on_the_page(engine: Engine) -> None:
    with transaction(engine) as connection:
        columns = connection.execute(COLUMNS).all()
    sections = dict(re.findall(r"^### siyu\.(\w+)\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE))

    assert sections.keys() == {row[0] for row in columns}
    for name, section in sections.items():
        told = [
            each
            for line in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
            for each in re.findall(r"`(\w+)`", line)
        ]
        assert told == [row[1] for row in columns if row[0] == name]
    assert [row for row in columns if not row[2]] == []


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_every_question_of_the_page_can_be_asked(query: str, world: World) -> None:
    lived_in(world)
    world.happens("user_id:u1", channel="web", campaign={"name": "spring"})

    with transaction(world.engine) as connection:
        assert rows(connection, query)


@pytest.mark.parametrize("seed", range(3))
def test_the_share_trees_are_those_of_the_api(world: World, seed: int) -> None:
    lived_in(world, seed)

    with transaction(world.engine) as connection:
        reached = audience.of_article(connection, "a-1")
        edges = rows(connection, "SELECT person_id::text, parent_id::text, entered_at FROM siyu.share_edges")
        reads = rows(
            connection,
            "SELECT person_id::text, first_read_at, last_read_at, reads, dwell_ms, scroll, scene, is_presumed"
            " FROM siyu.article_reads",
        )

    assert {(n.person, n.parent, n.entered_at) for n in reached.tree.nodes.values()} == {tuple(edge) for edge in edges}
    assert {tuple(read) for read in reads} == {
        (r.person, r.first_read_at, r.last_read_at, r.reads, r.dwell_ms, r.scroll, r.scene, r.is_presumed)
        for r in reached.readers
    }
    assert reached.tree.depth > 1


@pytest.mark.parametrize("seed", range(3))
def test_orders_add_up_to_the_purchases_of_the_api(world: World, seed: int) -> None:
    lived_in(world, seed)

    with transaction(world.engine) as connection:
        bought = orders.purchases(connection, "CNY", NOW)
        told = rows(
            connection,
            "SELECT person_id::text, sum(amount)::int FROM siyu.orders WHERE amount > 0 OR refunded = 0 GROUP BY 1",
        )

    summed: dict[str, int] = {}
    for person, amount in zip(bought.person, bought.amount, strict=True):
        who = bought.person_id(int(person))
        summed[who] = summed.get(who, 0) + int(amount)
    assert {row[0]: row[1] for row in told} == summed
    assert summed


@pytest.mark.parametrize("seed", range(3))
def test_every_row_is_what_a_rebuild_gives(world: World, seed: int) -> None:
    """But those of articles, which stay as they were last stated until then."""
    lived_in(world, seed)
    before = everything(world)

    with transaction(world.engine) as connection:
        rebuild.rebuild(connection, RULES, INDEX, NOW)

    after = everything(world)
    assert {**after, "articles": []} == {**before, "articles": []}
    assert all(before[name] for name in ("people", "identifiers", "events", "orders", "share_edges"))


def test_identifiers_are_masked_as_the_api_masks_them(world: World) -> None:
    named = [
        "phone:+8613912345678",
        "email:j@example.com",
        "email:jane@example.com",
        "user_id:1234567",
        "user_id:12345678",
    ]
    named += ["wechat_openid@wx1:oXYabcdefg", "user_id:王小明", "user_id:一二三四五六七八九十", "user_id:@@@@@@@@"]
    for written in named:
        world.happens(written)

    with transaction(world.engine) as connection:
        known = rows(
            connection,
            "SELECT it.namespace, it.value, masked_value FROM siyu.identifiers JOIN identifier AS it ON it.id = identifier_id",
        )

    assert len(known) == len(named)
    assert [row for row in known if masking.value(row[0], row[1]) != row[2]] == []


def test_no_view_says_who_somebody_is(world: World) -> None:
    identifiers = (
        "phone:+8613912345678",
        "email:li@example.com",
        "wechat_openid@wx1:oMarySecret1",
        "user_id:wang-the-user-id",
    )
    order = {"id": "o1", "amount": 5, "currency": "CNY"}
    for kind in ("form.submitted", "article.read", "article.shared", "order.paid", "official_account.followed"):
        world.happens(
            *identifiers,
            type=kind,
            article=ARTICLE,
            share={"token": "t1"},
            order=order,
            properties={"name": "王小明", "phone": "13900000001"},
            context={"ip": "192.0.2.7"},
        )

    said = str(everything(world))

    assert [secret for secret in (*SECRETS, "192.0.2.7") if secret in said] == []
    assert "+86139****5678" in said


def test_a_robot_is_among_the_events_and_nobody(world: World) -> None:
    world.happens("user_id:u1", properties={"bot": True})
    world.happens("user_id:u2")

    with transaction(world.engine) as connection:
        told = rows(connection, "SELECT verdict, person_id IS NULL FROM siyu.events ORDER BY 1")

    assert [tuple(row) for row in told] == [("bot", True), ("human", False)]


def test_the_role_of_analysts_reads_every_view_and_no_table(world: World) -> None:
    lived_in(world)
    refused = []

    with world.engine.connect() as connection:  # never committed: roles are the server's, not the database's
        analysts.admit(connection)
        analysts.admit(connection)
        connection.execute(text(f"SET LOCAL ROLE {analysts.ROLE}"))
        for name in {row[0] for row in connection.execute(COLUMNS)}:
            assert rows(connection, f"SELECT * FROM siyu.{name} LIMIT 1") is not None
        for name in (*metadata.tables, "alembic_version"):
            with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
                connection.execute(text(f"SELECT * FROM {name} LIMIT 1"))
            refused.append(name)
        with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
            connection.execute(text("DELETE FROM siyu.articles"))

    assert len(refused) == len(metadata.tables) + 1


def test_a_user_who_may_make_no_roles_is_told_what_to_ask_for(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE ROLE somebody NOLOGIN"))
        connection.execute(text("SET LOCAL ROLE somebody"))

        with pytest.raises(Refused, match="CREATE ROLE siyu_analyst"):
            analysts.admit(connection)


def test_a_user_who_is_called_like_the_schema_finds_the_tables_where_they_are(engine: Engine) -> None:
    """`"$user"` stands first on the search path of PostgreSQL, and the user is called siyu more often than not."""
    with engine.connect() as connection:
        connection.execute(text("CREATE ROLE siyu NOLOGIN; GRANT USAGE ON SCHEMA siyu TO siyu"))
        connection.execute(text("SET LOCAL ROLE siyu"))

        assert connection.execute(text("SELECT current_schema()")).scalar_one() == "public"
