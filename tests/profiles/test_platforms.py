"""Lists for ad platforms: every hash is the one that the platform makes of the same address."""

import hashlib
from collections.abc import Mapping, Sequence

import pytest

from profiles import platforms
from profiles.platforms import PROFILES, Platform

PHONE, MAIL = "+8613912345678", "li.lei+shop@gmail.com"


def rows(platform: Platform, *people: Mapping[str, Sequence[str]]) -> list[Mapping[str, str]]:
    return list(platforms.rows(PROFILES[platform], people))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("platform", "row"),
    [
        (Platform.META, {"email": sha256("li.lei+shop@gmail.com"), "phone": sha256("8613912345678")}),
        (Platform.GOOGLE, {"Email": sha256("lilei+shop@gmail.com"), "Phone": sha256("+8613912345678")}),
        (Platform.TIKTOK, {"Email_SHA256": sha256("li.lei@gmail.com"), "Phone_SHA256": sha256("+8613912345678")}),
        (Platform.TENCENT_MD5, {"HASH_MOBILE_PHONE": md5("13912345678")}),
        (Platform.TENCENT_SHA256, {"SHA256_MOBILE_PHONE": sha256("13912345678")}),
        (Platform.OCEANENGINE, {"MOBILE_HASH_SHA256": sha256("13912345678")}),
    ],
)
def test_an_address_is_hashed_in_the_form_that_the_platform_hashes(platform: Platform, row: Mapping[str, str]) -> None:
    assert rows(platform, {"sms": [PHONE], "mail": [MAIL]}) == [row]


@pytest.mark.parametrize(
    ("platform", "addresses", "digest"),
    [  # out of the documentation of Meta, of Meta and of TikTok
        (Platform.META, {"sms": ["+16505551212"]}, "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
        (
            Platform.META,
            {"mail": ["john_smith@gmail.com"]},
            "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
        ),
        (
            Platform.TIKTOK,
            {"mail": ["janedoe@gmail.com"]},
            "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69",
        ),
    ],
)
def test_hashes_are_those_that_platforms_have_published(
    platform: Platform, addresses: Mapping[str, Sequence[str]], digest: str
) -> None:
    assert [*rows(platform, addresses)[0].values()] == [digest]


def test_every_platform_has_a_profile() -> None:
    assert PROFILES.keys() == {*Platform}


def test_only_google_s_own_mailboxes_lose_their_dots() -> None:
    kept = {"mail": ["li.lei@example.com"]}

    assert rows(Platform.GOOGLE, kept) == [{"Email": sha256("li.lei@example.com")}]


def test_a_number_from_abroad_is_not_in_a_list_of_chinese_numbers() -> None:
    assert rows(Platform.TENCENT_MD5, {"sms": ["+14155550100", "+85291234567"]}) == []


def test_who_has_more_addresses_has_more_rows() -> None:
    found = rows(Platform.META, {"sms": [PHONE, "+8613900000001"], "mail": ["a@example.com"]})

    assert found == [
        {"email": sha256("a@example.com"), "phone": sha256("8613912345678")},
        {"phone": sha256("8613900000001")},
    ]


def test_two_mailboxes_that_are_one_to_the_platform_are_in_it_once() -> None:
    assert len(rows(Platform.TIKTOK, {"mail": ["a+x@example.com", "a+y@example.com"]})) == 1


def test_who_has_no_address_is_in_no_list() -> None:
    assert [rows(platform, {}, {"sms": []}) for platform in Platform] == [[]] * len(Platform)
