"""Whose key it is, and how often the database is asked."""

import asyncio
from base64 import b64encode

import pytest

from core.errors import Forbidden, Unauthorized, Unavailable
from core.keys import Key
from ingest.auth import REMEMBERED_MAX, REMEMBERED_SECONDS, KeyCache, secret_in, writer
from tests.ingest.given import READER, SERVER


class Keys:
    """What the database says, and how often it was asked."""

    def __init__(self) -> None:
        self.known = {"good": SERVER, "reader": READER}
        self.asked = 0
        self.is_down = False

    def find(self, secret: str) -> Key:
        self.asked += 1
        if self.is_down:
            raise Unavailable("the database did not answer")
        if secret not in self.known:
            raise Unauthorized("unknown")
        return self.known[secret]


@pytest.fixture
def keys() -> Keys:
    return Keys()


def basic(text: bytes) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(text).decode()}"}


def test_a_write_key_is_the_user_name_of_basic_or_the_token_of_bearer() -> None:
    assert secret_in(basic("schlüssel:".encode())) == "schlüssel"
    assert secret_in(basic(b"key")) == "key"
    assert secret_in({"authorization": "bearer key"}) == "key"
    assert secret_in({}) is None


@pytest.mark.parametrize("authorization", ["", "key", "Digest x", "Basic", "Basic ?", "Basic /w==", "Basic ZGF0YQ"])
def test_an_authorization_that_cannot_be_read_opens_nothing(authorization: str) -> None:
    async def story() -> None:
        await writer(secret_in({"authorization": authorization}) or "", KeyCache(Keys().find))

    with pytest.raises(Unauthorized):
        asyncio.run(story())


@pytest.mark.parametrize("secret", ["", "bad", "x" * 257])
def test_an_unknown_key_is_refused(keys: Keys, secret: str) -> None:
    with pytest.raises(Unauthorized):
        asyncio.run(writer(secret, KeyCache(keys.find)))


def test_a_key_that_may_not_write_is_forbidden(keys: Keys) -> None:
    with pytest.raises(Forbidden):
        asyncio.run(writer("reader", KeyCache(keys.find)))


def test_a_key_is_looked_up_once_in_ten_seconds(keys: Keys) -> None:
    now = 0.0

    async def story() -> None:
        nonlocal now
        find = KeyCache(keys.find, lambda: now)
        for _ in range(5):
            assert await find("good") is SERVER
            with pytest.raises(Unauthorized):
                await find("bad")
        assert keys.asked == 2

        now = REMEMBERED_SECONDS
        del keys.known["good"]
        with pytest.raises(Unauthorized):
            await find("good")

    asyncio.run(story())


def test_guessing_drives_no_good_key_out(keys: Keys) -> None:
    async def story() -> None:
        find = KeyCache(keys.find)
        await find("good")
        for guess in range(REMEMBERED_MAX + 10):
            with pytest.raises(Unauthorized):
                await find(str(guess))
        asked = keys.asked

        await find("good")

        assert keys.asked == asked

    asyncio.run(story())


def test_a_database_that_is_down_is_no_reason_to_forget_a_key(keys: Keys) -> None:
    async def story() -> None:
        find = KeyCache(keys.find)
        keys.is_down = True
        with pytest.raises(Unavailable):
            await find("good")

        keys.is_down = False
        assert await find("good") is SERVER

    asyncio.run(story())


def test_many_who_ask_at_once_ask_the_database_once_and_share_its_answer(keys: Keys) -> None:
    async def story() -> None:
        find = KeyCache(keys.find)

        assert await asyncio.gather(*(find("good") for _ in range(100))) == [SERVER] * 100
        assert keys.asked == 1

        keys.is_down = True
        answers = await asyncio.gather(*(find("other") for _ in range(100)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {Unavailable}
        assert keys.asked == 2

        keys.is_down = False
        with pytest.raises(Unauthorized):
            await find("other")

    asyncio.run(story())
