"""Opting out by reply: what is one is taken as one however it is written, and what may be one is looked at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.optout import Wish, wish

OUT = ["R", "T", "TD", "N", "退订", "取消", "拒收", "STOP", "UNSUBSCRIBE", "END", "QUIT", "StopAll", "取消订阅", "退訂"]


@pytest.mark.parametrize("word", OUT)
@pytest.mark.parametrize("form", ["{}", " {}\n", "{}。", "【{}】", "“{}”!"])
def test_a_word_of_opting_out_is_one_whatever_stands_around_it(word: str, form: str) -> None:
    assert wish(form.format(word)) is Wish.OUT
    assert wish(form.format(word.lower())) is Wish.OUT


@pytest.mark.parametrize("text", ["ＴＤ", "Ｒ", "\u200bR\ufeff", "TD退订", "回复TD", "回T", "回复R退订", "t 退订"])
def test_width_and_what_people_add_to_the_letter_do_not_matter(text: str) -> None:
    assert wish(text) is Wish.OUT


@pytest.mark.parametrize(
    "text", ["请帮我退订", "stop please", "怎么取消预约?", "R U there", "我要拒收", "please STOP."]
)
def test_a_text_that_only_contains_such_a_word_is_for_somebody_to_look_at(text: str) -> None:
    assert wish(text) is Wish.UNCLEAR


@pytest.mark.parametrize("text", ["", "  ", "好的", "Don't", "nonstop", "Weekend", "tdx", "谢谢!", "r2d2"])
def test_other_texts_want_nothing(text: str) -> None:
    assert wish(text) is Wish.NONE


@pytest.mark.parametrize("text", ["START", "start.", "Unstop"])
def test_a_word_of_opting_in_is_one(text: str) -> None:
    assert wish(text) is Wish.IN


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert wish(text) in Wish
