"""Who may send and ask: a key is shown once, found by its secret alone, and gone once it is revoked."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from core import keys
from core.database import transaction
from core.errors import NotFound, Unauthorized
from core.event import Trust
from core.keys import ADMIN, Key, Scope

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def created(engine: Engine, *scopes: Scope, source: str = "h5", trust: Trust = Trust.BROWSER) -> tuple[str, Key]:
    with transaction(engine) as connection:
        return keys.create(connection, scopes, source, trust, NOW)


def found(engine: Engine, secret: str, admin_secret: str | None = None) -> Key:
    with transaction(engine) as connection:
        return keys.find(connection, secret, admin_secret)


def test_a_key_is_found_by_its_secret_as_it_was_made(engine: Engine) -> None:
    secret, key = created(engine, Scope.EVENTS_WRITE, Scope.PEOPLE_READ, source="erp", trust=Trust.IMPORT)

    assert found(engine, secret) == key
    assert key == Key(key.id, frozenset({Scope.EVENTS_WRITE, Scope.PEOPLE_READ}), "erp", Trust.IMPORT, NOW)


def test_no_two_keys_are_alike(engine: Engine) -> None:
    (one, first), (other, second) = created(engine, Scope.ADMIN), created(engine, Scope.ADMIN)

    assert one != other
    assert first.id != second.id


def test_only_the_hash_of_a_secret_is_kept(engine: Engine) -> None:
    secret, _ = created(engine, Scope.ADMIN)

    with transaction(engine) as connection:
        (row,) = connection.execute(text("SELECT row_to_json(api_key)::text FROM api_key")).scalars()

    assert secret not in row
    assert secret.removeprefix("siyu_") not in row
    assert secret.encode().hex() not in row


@pytest.mark.parametrize("secret", ["", "siyu_", "siyu_unheard", "管理员"])
def test_an_unknown_secret_opens_nothing(engine: Engine, secret: str) -> None:
    created(engine, Scope.ADMIN)

    with pytest.raises(Unauthorized):
        found(engine, secret)


def test_the_id_of_a_key_is_no_secret_and_opens_nothing(engine: Engine) -> None:
    _, key = created(engine, Scope.ADMIN)

    with pytest.raises(Unauthorized):
        found(engine, key.id)


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(engine: Engine) -> None:
    secret, key = created(engine, Scope.ADMIN)
    with transaction(engine) as connection:
        keys.revoke(connection, key.id, NOW)
        keys.revoke(connection, key.id, NOW + timedelta(days=1))

    with pytest.raises(Unauthorized):
        found(engine, secret)
    with transaction(engine) as connection:
        (listed,) = keys.listing(connection)
    assert (listed.id, listed.revoked_at) == (key.id, NOW)


def test_what_is_not_there_cannot_be_revoked(engine: Engine) -> None:
    with pytest.raises(NotFound), transaction(engine) as connection:
        keys.revoke(connection, "unheard", NOW)


def test_all_keys_are_listed_the_oldest_first(engine: Engine) -> None:
    with transaction(engine) as connection:
        later = keys.create(connection, [Scope.ADMIN], "b", Trust.SERVER, NOW + timedelta(days=1))[1]
        first = keys.create(connection, [], "a", Trust.BROWSER, NOW)[1]

    with transaction(engine) as connection:
        assert keys.listing(connection) == [first, later]


def test_the_admins_secret_opens_everything_without_being_kept(engine: Engine) -> None:
    assert found(engine, "the admin's", admin_secret="the admin's") is ADMIN
    assert all(ADMIN.may(scope) for scope in Scope)


@pytest.mark.parametrize("admin_secret", [None, "", "another"])
def test_without_an_admins_secret_nobody_is_admin(engine: Engine, admin_secret: str | None) -> None:
    for secret in ("", "the admin's"):
        with pytest.raises(Unauthorized):
            found(engine, secret, admin_secret)


def test_a_key_reaches_its_scopes_and_no_further() -> None:
    key = Key("k", frozenset({Scope.PEOPLE_READ}), "s", Trust.SERVER)

    assert [scope for scope in Scope if key.may(scope)] == [Scope.PEOPLE_READ]


def test_a_key_keeps_the_namespaces_that_it_declares(engine: Engine) -> None:
    with transaction(engine) as connection:
        secret, key = keys.create(connection, [Scope.EVENTS_WRITE], "h5", Trust.BROWSER, NOW, ["anonymous_id"])

    assert key.namespaces == frozenset({"anonymous_id"})
    assert found(engine, secret) == key
