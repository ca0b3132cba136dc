"""Who may send and ask: a key is shown once, found by its secret alone, and gone once it is revoked."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from core import keys
from core.database import transaction
from core.errors import Forbidden, InvalidEvent, NotFound, Refused, Unauthorized
from core.event import Trust
from core.key_uses import KeyUses
from core.keys import ADMIN, SCOPES, Key, Role, Scope

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def created(
    engine: Engine, *scopes: Scope, source: str = "h5", trust: Trust = Trust.SERVER, **more: Any
) -> tuple[str, Key]:
    with transaction(engine) as connection:
        return keys.create(connection, scopes, source, trust, NOW, **more)


def found(engine: Engine, secret: str, admin_secret: str | None = None, now: datetime = NOW) -> Key:
    with transaction(engine) as connection:
        return keys.find(connection, secret, now, admin_secret)


def test_a_key_is_found_by_its_secret_as_it_was_made(engine: Engine) -> None:
    secret, key = created(engine, Scope.EVENTS_WRITE, Scope.PEOPLE_READ, source="erp", trust=Trust.IMPORT)

    assert found(engine, secret) == key
    scopes = frozenset({Scope.EVENTS_WRITE, Scope.PEOPLE_READ})
    assert key == Key(key.id, scopes, "erp", Trust.IMPORT, NOW, name="erp", prefix=secret[:12])


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


def test_a_role_is_its_scopes_and_more_can_be_given(engine: Engine) -> None:
    secret, key = created(engine, Scope.AUDIT_READ, role=Role.ANALYST, name="李雷", by="cli:root")

    assert key.scopes == SCOPES[Role.ANALYST] | {Scope.AUDIT_READ}
    assert (key.role, key.name, key.created_by) == (Role.ANALYST, "李雷", "cli:root")
    assert found(engine, secret) == key


def test_by_its_beginning_a_secret_is_known_for_one_and_for_whose(engine: Engine) -> None:
    servers, key = created(engine, Scope.EVENTS_WRITE)
    browsers, _ = created(engine, Scope.EVENTS_WRITE, trust=Trust.BROWSER)

    assert (servers[:8], browsers[:8]) == ("siyu_sk_", "siyu_pk_")
    assert key.prefix == servers[:12]
    assert len(servers) == len(browsers) == 8 + 43


def test_a_key_of_before_opens_as_it_did(engine: Engine) -> None:
    """Keys that were made before there were kinds of them."""
    secret, key = created(engine, Scope.PEOPLE_READ)
    with transaction(engine) as connection:
        connection.execute(
            text("UPDATE api_key SET hash = sha256('siyu_of_before'), prefix = NULL, created_by = NULL, role = NULL")
        )

    assert found(engine, "siyu_of_before").id == key.id
    with pytest.raises(Unauthorized):
        found(engine, secret)


# What a browser holds, everybody can read


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.EVENTS_WRITE])
def test_a_browser_s_key_can_write_events_and_nothing_else(engine: Engine, scope: Scope) -> None:
    with pytest.raises(ValueError, match="browser"):
        Key("k", frozenset({scope, Scope.EVENTS_WRITE}), "h5", Trust.BROWSER)
    with pytest.raises(InvalidEvent, match="browser"):
        created(engine, scope, Scope.EVENTS_WRITE, trust=Trust.BROWSER)


@pytest.mark.parametrize("role", Role)
def test_no_role_is_a_browser_s(engine: Engine, role: Role) -> None:
    with pytest.raises(InvalidEvent):
        created(engine, trust=Trust.BROWSER, role=role)


@pytest.mark.parametrize("change", ["role = 'viewer'", "scopes = '{admin}'", "scopes = '{events:write,people:read}'"])
def test_nor_does_the_database_keep_one(engine: Engine, change: str) -> None:
    created(engine, Scope.EVENTS_WRITE, trust=Trust.BROWSER)

    with pytest.raises(IntegrityError), transaction(engine) as connection:
        connection.execute(text(f"UPDATE api_key SET {change}"))


# Time


def test_an_expired_key_is_refused_in_the_words_of_an_unknown_one(engine: Engine) -> None:
    until = NOW + timedelta(hours=1)
    secret, key = created(engine, Scope.ADMIN, expires_at=until)

    assert found(engine, secret, now=until - timedelta(seconds=1)) == key
    with pytest.raises(Unauthorized) as over:
        found(engine, secret, now=until)
    with pytest.raises(Unauthorized) as unknown:
        found(engine, "siyu_sk_unheard")
    assert str(over.value) == str(unknown.value)


def test_no_key_is_made_that_is_over_already(engine: Engine) -> None:
    with pytest.raises(InvalidEvent):
        created(engine, Scope.ADMIN, expires_at=NOW)


def rotated(engine: Engine, key: Key, grace: timedelta, now: datetime = NOW) -> str:
    with transaction(engine) as connection:
        return keys.rotate(connection, key.id, grace, now)[0]


def test_after_a_rotation_both_secrets_open_the_key_for_a_while(engine: Engine) -> None:
    old, key = created(engine, Scope.ADMIN)

    new = rotated(engine, key, timedelta(days=1))

    in_time, after = NOW + timedelta(hours=23), NOW + timedelta(days=1)
    assert {found(engine, each, now=in_time).id for each in (old, new)} == {key.id}
    assert found(engine, new, now=after).id == key.id
    with pytest.raises(Unauthorized):
        found(engine, old, now=after)


def test_a_second_rotation_ends_the_first_secret_at_once(engine: Engine) -> None:
    first, key = created(engine, Scope.ADMIN)
    second = rotated(engine, key, timedelta(days=7))
    rotated(engine, key, timedelta(days=7))

    assert found(engine, second).id == key.id
    with pytest.raises(Unauthorized):
        found(engine, first)


def test_without_grace_the_old_secret_is_over_at_once_and_grace_is_limited(engine: Engine) -> None:
    leaked, key = created(engine, Scope.ADMIN)

    secret = rotated(engine, key, timedelta(0))
    rotated(engine, key, timedelta(days=1_000))

    with pytest.raises(Unauthorized):
        found(engine, leaked)
    with pytest.raises(Unauthorized):
        found(engine, secret, now=NOW + timedelta(days=7))


def test_revoking_ends_every_secret_of_a_key(engine: Engine) -> None:
    old, key = created(engine, Scope.ADMIN)
    new = rotated(engine, key, timedelta(days=7))
    with transaction(engine) as connection:
        keys.revoke(connection, key.id, NOW)

    for secret in (old, new):
        with pytest.raises(Unauthorized):
            found(engine, secret)


def test_what_is_over_cannot_be_rotated(engine: Engine) -> None:
    _, expired = created(engine, Scope.ADMIN, expires_at=NOW + timedelta(hours=1))
    _, revoked = created(engine, Scope.ADMIN)
    with transaction(engine) as connection:
        keys.revoke(connection, revoked.id, NOW)

    for key in (expired, revoked):
        with pytest.raises(Refused):
            rotated(engine, key, timedelta(0), NOW + timedelta(hours=1))
    with pytest.raises(NotFound), transaction(engine) as connection:
        keys.rotate(connection, "admin", timedelta(0), NOW)


def test_a_key_is_used_as_late_as_it_was_last_noted(engine: Engine) -> None:
    _, key = created(engine, Scope.ADMIN)
    _, other = created(engine, Scope.ADMIN)
    time = NOW
    uses, elsewhere = KeyUses(engine, lambda: time), KeyUses(engine, lambda: time - timedelta(minutes=5))

    for minute in range(3):
        time = NOW + timedelta(minutes=minute)
        uses.note(key)
    asyncio.run(uses.write())
    elsewhere.note(key)
    asyncio.run(elsewhere.write())
    asyncio.run(uses.write())

    with transaction(engine) as connection:
        used = {each.id: each.last_used_at for each in keys.listing(connection)}
    assert used == {key.id: NOW + timedelta(minutes=2), other.id: None}


# Who makes keys


def test_nobody_makes_a_key_that_reaches_further_than_his_own() -> None:
    for role in Role:
        maker = Key("k", SCOPES[role], "s", Trust.SERVER, role=role)
        for scope in Scope:
            if maker.may(scope):
                keys.check_within(maker, {scope}, None)
            else:
                with pytest.raises(Forbidden):
                    keys.check_within(maker, {scope}, None)


def test_an_administrator_for_a_day_makes_no_administrator_for_ever() -> None:
    until = NOW + timedelta(days=1)
    maker = Key("k", frozenset({Scope.ADMIN}), "s", Trust.SERVER, expires_at=until)

    keys.check_within(maker, {Scope.ADMIN}, until)
    keys.check_within(maker, {Scope.EVENTS_WRITE}, None)
    for longer in (None, until + timedelta(seconds=1)):
        with pytest.raises(Forbidden):
            keys.check_within(maker, {Scope.ADMIN}, longer)
