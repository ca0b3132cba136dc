"""Compact tokens: short, canonical, and of no use to who guesses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sealed import derived
from ingest.tokens import Tokens
from tests.ingest.collecting import SIGNING_KEY

LINKS = Tokens(derived(SIGNING_KEY, "links"), b"lnk1")
NUMBERS = st.integers(0, 2**48 - 1)


@given(NUMBERS)
def test_a_token_tells_its_number_and_is_short(number: int) -> None:
    token = LINKS.written(number)

    assert LINKS.read(token) == number
    assert len(token) <= 14


def test_a_token_is_as_the_public_vector_has_it() -> None:
    assert Tokens(b"k" * 32, b"lnk1").written(123456789) == "dAW78yeSNC"


@given(NUMBERS, st.integers(0, 13), st.sampled_from("0123456789ABCxyz"))
def test_whoever_alters_a_character_reads_nothing(number: int, at: int, character: str) -> None:
    token = LINKS.written(number)
    altered = token[:at] + character + token[at + 1 :]

    assert altered == token or LINKS.read(altered) is None


@pytest.mark.parametrize("spelled", ["", "0" * 33, "-", "é", "0" + LINKS.written(7), " " + LINKS.written(7)])
def test_another_spelling_is_none(spelled: str) -> None:
    assert LINKS.read(spelled) is None


def test_another_key_purpose_or_context_is_none() -> None:
    token = LINKS.written(7, b"article")

    assert LINKS.read(token, b"article") == 7
    assert LINKS.read(token, b"other") is None
    assert Tokens(derived(SIGNING_KEY, "shares"), b"lnk1").read(token, b"article") is None
    assert Tokens(LINKS.key, b"lnk2").read(token, b"article") is None
