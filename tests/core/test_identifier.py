"""One name of a person: what is written in many ways is one identifier, and what strangers share is none."""

import hashlib
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import InvalidEvent
from core.identifier import (
    SCOPE_LENGTH_MAX,
    VALUE_LENGTH_MAX,
    BlindIndex,
    Drop,
    Identifier,
    clean,
    clean_scope,
    parse,
    split,
    uuid8,
)

NAMESPACES = st.sampled_from(["phone", "email", "device_id", "user_id", "wechat_openid", "loyalty"])
HASHES = ["md5", "sha1", "sha256"]

emails = st.builds("{}@{}".format, st.text(max_size=12), st.sampled_from(["example.com", "EXAMPLE.Com", "例子.公司"]))
phones = st.text("0123456789+- ()０１２*#", max_size=20)
near_useless = st.sampled_from(["null", "0", "{x}", "__X__", "-1", "9774d56d682e549c"]).flatmap(
    lambda word: st.text("\u200b \"'", max_size=3).map(lambda edge: edge + word + edge)
)
values = st.text(max_size=40) | emails | phones | near_useless


def hashed(value: str, by: str) -> str:
    return hashlib.new(by, value.encode(), usedforsecurity=False).hexdigest()


@given(NAMESPACES, values)
@example("email", "A\u030a@EXAMPLE.com")
@example("email", "İ@example.com")
@example("user_id", "\ufdfa" * 1_000)
def test_what_is_clean_stays_as_it_is(namespace: str, value: str) -> None:
    """Cleaning twice is cleaning once, so an identifier read back is the identifier that was written."""
    cleaned = clean(namespace, value)

    assert isinstance(cleaned, Drop) or clean(namespace, cleaned) == cleaned


@given(NAMESPACES, values)
def test_what_came_of_cleaning_can_be_stored(namespace: str, value: str) -> None:
    """Never too long, never empty, never what UTF-8 or PostgreSQL cannot hold."""
    cleaned = clean(namespace, value)

    if not isinstance(cleaned, Drop):
        assert 0 < len(cleaned) <= VALUE_LENGTH_MAX
        assert b"\0" not in cleaned.encode()


@pytest.mark.parametrize(
    "written",
    [
        "+86 139-1234-5678",
        "0086 13912345678",
        "139 1234 5678",
        "１３９１２３４５６７８",
        "(139) 1234-5678",
        "\u200b13912345678\u200e",
        "tel:13912345678",
        "013912345678",
    ],
)
def test_a_phone_is_one_identifier_however_it_is_written(written: str) -> None:
    """Case B2."""
    assert parse(f"phone:{written}").text == "phone:+8613912345678"


def test_a_phone_of_another_country_keeps_its_country() -> None:
    assert clean("phone", "+1 (415) 555-2671") == "+14155552671"


@pytest.mark.parametrize(
    "written", [" Tom@Example.COM ", "tom@example.com", "t\u200bom@example.com", "ＴＯＭ@example.com"]
)
def test_an_email_is_one_identifier_however_it_is_written(written: str) -> None:
    """Case B3."""
    assert clean("email", written) == "tom@example.com"


def test_the_domain_of_an_email_is_written_in_ascii() -> None:
    assert clean("email", "王@例子.公司") == "王@xn--fsqu00a.xn--55qx5d"


def test_the_tricks_of_a_mail_provider_are_not_known() -> None:
    assert clean("email", "t.o.m+news@gmail.com") == "t.o.m+news@gmail.com"


def test_a_hash_is_written_small_and_other_devices_as_they_are() -> None:
    assert clean("device_id", "0123456789ABCDEF0123456789ABCDEF") == "0123456789abcdef0123456789abcdef"
    assert clean("device_id", "AEBE52E7-03EE-455A-B3C4-E57283966239") == "AEBE52E7-03EE-455A-B3C4-E57283966239"


def test_case_counts_everywhere_else() -> None:
    assert clean("wechat_openid", "oXY") != clean("wechat_openid", "oxy")


@pytest.mark.parametrize("value", ["", " ", "\u200b", "\u3000\ufeff"])
def test_what_is_empty_is_dropped(value: str) -> None:
    """Case B1."""
    assert clean("phone", value) is Drop.EMPTY


@pytest.mark.parametrize("value", ["x" * (VALUE_LENGTH_MAX + 1), "\ufdfa" * VALUE_LENGTH_MAX])
def test_what_is_too_long_is_dropped_before_and_after_it_is_brought_into_form(value: str) -> None:
    assert clean("user_id", value) is Drop.TOO_LONG


def test_the_longest_value_is_kept() -> None:
    assert clean("user_id", "x" * VALUE_LENGTH_MAX) == "x" * VALUE_LENGTH_MAX


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_what_cannot_be_stored_is_dropped(value: str) -> None:
    assert clean("user_id", value) is Drop.INVALID


NULL_LIKE = [
    "null",
    "none",
    "nil",
    "nan",
    "undefined",
    "n/a",
    "na",
    "unknown",
    "invalid",
    "anonymous",
    "guest",
    "test",
    "true",
    "false",
    "id",
    "email",
    "distinct_id",
    "not_authenticated",
    "-1",
    "[object Object]",
]


@pytest.mark.parametrize("word", NULL_LIKE)
def test_what_means_nothing_is_dropped_in_any_case_and_in_quotes(word: str) -> None:
    for written in (word, word.upper(), f'"{word}"', f"'{word.title()}'", f" “{word}” "):
        assert clean("user_id", written) is Drop.NULL_LIKE


@pytest.mark.parametrize("word", ["nullable", "Guestav", "test1", "identity", "true north"])
def test_what_only_begins_like_nothing_is_kept(word: str) -> None:
    assert clean("user_id", word) == word


@pytest.mark.parametrize("value", ["0", "-", "000-000", "00000000-0000-0000-0000-000000000000"])
def test_only_zeros_and_dashes_are_dropped(value: str) -> None:
    assert clean("device_id", value) is Drop.ZEROS


@pytest.mark.parametrize(
    ("namespace", "value"),
    [
        ("device_id", "9774d56d682e549c"),
        ("device_id", "9774D56D682E549C"),
        ("phone", "138 0013 8000"),
        ("phone", "+8613800138000"),
        ("phone", "11111111111"),
        ("phone", "12345678901"),
        ("device_id", "111111111111111"),
        ("device_id", "123456789012345"),
        ("device_id", "987654321098765"),
    ],
)
def test_what_strangers_are_known_to_share_is_dropped(namespace: str, value: str) -> None:
    assert clean(namespace, value) is Drop.SHARED


def test_short_runs_and_real_numbers_are_kept() -> None:
    assert clean("device_id", "1234567") == "1234567"
    assert clean("phone", "13911111111") == "+8613911111111"


@pytest.mark.parametrize("by", HASHES)
@pytest.mark.parametrize(
    "value",
    [
        "",
        "null",
        "NULL",
        "undefined",
        "0",
        "00000000-0000-0000-0000-000000000000",
        "000000000000000",
        "9774d56d682e549c",
        "13800138000",
        "123456789012345",
        "11111111111",
    ],
)
def test_the_hash_of_nothing_is_nothing(value: str, by: str) -> None:
    """Case B4."""
    assert clean("device_id", hashed(value, by)) is Drop.HASHED
    assert clean("device_id", hashed(value, by).upper()) is Drop.HASHED


@pytest.mark.parametrize("by", HASHES)
def test_the_hash_of_something_is_kept(by: str) -> None:
    assert clean("device_id", hashed("860000000000003", by)) == hashed("860000000000003", by)


@pytest.mark.parametrize("macro", ["__IMEI__", "{idfa}", "${gaid}", "{{oaid}}", "%%X%%", " __OAID__ "])
def test_a_macro_that_nobody_replaced_is_dropped(macro: str) -> None:
    """Case B5."""
    assert clean("device_id", macro) is Drop.MACRO


@pytest.mark.parametrize("value", ["139****5678", "1391234567", "4008001234", "010-62345678", "not a number", "@"])
def test_a_phone_that_is_masked_or_incomplete_or_of_a_company_is_dropped(value: str) -> None:
    assert clean("phone", value) is Drop.INVALID


@pytest.mark.parametrize("value", ["13912345678,1234", "13912345678 ext. 12", "13912345678#1234"])
def test_a_virtual_number_is_dropped(value: str) -> None:
    assert clean("phone", value) is Drop.VIRTUAL


@pytest.mark.parametrize(
    "value", ["tom", "tom@", "@example.com", "Tom <tom@example.com>", "a b@example.com", "x@[1.2.3.4]"]
)
def test_what_is_no_address_is_dropped(value: str) -> None:
    assert clean("email", value) is Drop.INVALID


scopes = st.text(st.characters(exclude_characters=":\0", exclude_categories=["Cs", "Cf"]), max_size=12).map(clean_scope)


@given(NAMESPACES, scopes.filter(lambda scope: ":" not in scope), st.text(min_size=1))
def test_an_identifier_is_read_back_from_its_text(namespace: str, scope: str, value: str) -> None:
    """`namespace[@scope]:value` says all there is to say, whatever the value."""
    assert split(Identifier(namespace, scope, value).text) == (namespace, scope, value)


few = st.builds(
    Identifier, st.sampled_from("ab"), st.sampled_from(["", "a", "@", "a@"]), st.sampled_from([":", "a:", ":@"])
)


@given(few, few)
def test_two_identifiers_are_the_same_exactly_when_their_texts_are(one: Identifier, other: Identifier) -> None:
    """So the text can be hashed, compared and stored in place of the three."""
    assert (one.text == other.text) == (one == other)


@pytest.mark.parametrize("written", ["", "phone", "Phone:1", ":1", "@h5:1", "a-b:1", "1a:1", f"{'a' * 65}:1"])
def test_what_is_not_written_like_an_identifier_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        parse(written)

    assert refusal.value.code == "invalid_identifier"


def test_an_identifier_of_nobody_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidEvent) as refusal:
        parse("phone:139****5678")

    assert refusal.value.code == "unusable_identifier"
    assert "5678" not in str(refusal.value)


def test_a_scope_is_cleaned_too() -> None:
    assert parse("wechat_openid@ wx８a1\u200b :oXY") == Identifier("wechat_openid", "wx8a1", "oXY")


@pytest.mark.parametrize("scope", ["x" * (SCOPE_LENGTH_MAX + 1), "wx：a", "a\0b", "\ud800"])
def test_what_cannot_be_a_scope_is_refused(scope: str) -> None:
    with pytest.raises(InvalidEvent, match="scope"):
        clean_scope(scope)


@given(st.binary(min_size=16, max_size=64))
def test_a_digest_becomes_a_well_formed_uuid(digest: bytes) -> None:
    """RFC 9562: version 8, the variant of the standard, and all other bits those of the digest."""
    made = UUID(uuid8(digest))

    assert (made.version, made.variant) == (8, "specified in RFC 4122")
    assert str(made) == uuid8(digest)
    free = ~((0xF << 76) | (0x3 << 62)) & (2**128 - 1)
    assert made.int & free == int.from_bytes(digest[:16]) & free


@given(few, few)
def test_an_id_is_the_identifiers_under_the_installations_key(one: Identifier, other: Identifier) -> None:
    """The same name has the same id, another name or another key another one."""
    index, elsewhere = BlindIndex(b"k" * 32), BlindIndex(b"l" * 32)

    assert (index(one) == index(other)) == (one == other)
    assert index(one) != elsewhere(one)


def test_the_ids_never_change() -> None:
    """They have been published: whoever changes how they are derived loses everybody."""
    assert BlindIndex(b"k" * 32)(parse("phone:13912345678")) == "1395bdb7-da52-8f70-9503-38f03e345d09"
