"""Signatures and encryption of WeChat and WeCom, by the platforms' own public samples."""

import json
from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Forbidden, InvalidSetting
from ingest.wechat.crypto import Secretbox, is_signed, signature

SAMPLE_KEY = "A" * 43
APP_ID = "wxba5fad812f8e6fb9"
SAFE = (
    "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT7"
    "40XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/"
    "P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
)
WECOM_KEY = "cD0d7jx4tYvVtzqrmh3Dm3QFCXe6f8SlHoMtMh3qQEP"
WECOM = (
    "EUCt7xMcNiyASzZj0Hjc5yDjFQrCum6AfQ3ntHiUzjGQ51xieKmbvtrZ40/EcB2W/W8yH0n4Lqx48gJl/T9HD/R309I0P/r5pIZucK3lyEn48FYMr4YdE0"
    "QdL2jIJ3xkcXUr6uzefzCxG6lMvwpAJaOyVCzN7sRRw47njfxy5EIqU6R9ZBhlTzfdnhhOhK/nTwzrZX3SoGlXFA9OBeZ6ru1NWpXFk76x9DUMe0lcxPP"
    "iUqK8ctnQcYXSGUHVqC6DfG7E7mab0OmruNN8cBZY5d3dYOBA4OgaH55Q0AJmUpdT8vNiXpXx+6TxT3TIjySXpDrHVyrsb772aYywgg/Nu4kUmGkALwFZ"
    "lzhjNegR7wDwb9lr4ERXsSSS8JZ8lbBmaQ3F2Tq584xoPj5rIhXAF734ynm4no1g+SdHiNqR328="
)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("AAAAA", "1714036504", "1514711492"), "f464b24fc39322e44b38aa78f5edd27bd1441696"),
        (("AAAAA", "1714037059", "486452656"), "899cf89e464efb63f54ddac96b0a0a235f53aa78"),
        (("AAAAA", "1714112445", "415670741"), "6c5c811b55cc85e0e1b54100749188c20beb3f5d"),
        (("AAAAA", "1714112445", "415670741", SAFE), "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"),
        (("kz7Yx62CH8SaLN", "1583995625", "1584392382", WECOM), "f265ae551b1932727204c3d707628d01376a6940"),
    ],
)
def test_a_signature_is_as_the_public_samples_have_it(parts: tuple[str, ...], expected: str) -> None:
    assert signature(*parts) == expected
    assert is_signed(expected, *parts)
    assert not is_signed(expected[:-1] + "f" * (expected[-1] != "f") + "e" * (expected[-1] == "f"), *parts)


def test_the_official_sample_is_opened() -> None:
    told = json.loads(Secretbox.of(SAMPLE_KEY).opened(SAFE, {APP_ID}))

    assert told["debug_str"] == "hello world"
    assert told["FromUserName"] == "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"


def test_the_official_answer_is_encrypted_to_the_byte() -> None:
    closed = Secretbox.of(SAMPLE_KEY).closed(b'{"demo_resp":"good luck"}', APP_ID, b"707722b803182950")

    assert closed == "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
    assert signature("AAAAA", "1713424427", "415670741", closed) == "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"


def test_wecom_samples_are_opened() -> None:
    echo = "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q=="
    box = Secretbox.of("kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR")

    assert signature("123456", "1411443780", "437374425", echo) == "dd6b9c95b495b3f7e2901bfbc76c664930ffdb96"
    assert box.opened(echo, {"wx49f0ab532d5d035a"}) == b"5927782489442352469"
    assert b"<![CDATA[x123]]>" in Secretbox.of(WECOM_KEY).opened(WECOM, {"ww6a112864f8022910"})


@pytest.mark.parametrize("altered", [WECOM[:-4] + "AAAA", WECOM[:-4], "!!", "", WECOM + " "])
def test_what_was_altered_is_not_opened(altered: str) -> None:
    with pytest.raises(Forbidden):
        Secretbox.of(WECOM_KEY).opened(altered, {"ww6a112864f8022910"})


def test_what_is_meant_for_another_is_not_opened() -> None:
    with pytest.raises(Forbidden, match="somebody else"):
        Secretbox.of(SAMPLE_KEY).opened(SAFE, {"wx0"})


@pytest.mark.parametrize("plain", [b"\x00" * 32, b"\x21" * 64, b"\x0c" * 32, b"r" * 16 + b"\xff" * 4 + b"\x0c" * 12])
def test_padding_and_length_are_checked(plain: bytes) -> None:
    key = b64decode(SAMPLE_KEY + "=")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()

    with pytest.raises(Forbidden):
        Secretbox(key).opened(b64encode(encryptor.update(plain) + encryptor.finalize()).decode(), {"", APP_ID})


@given(st.binary(max_size=300), st.text(max_size=20), st.binary(min_size=16, max_size=16))
def test_what_is_closed_can_be_opened(message: bytes, receiver: str, random: bytes) -> None:
    box = Secretbox.of(SAMPLE_KEY)

    assert box.opened(box.closed(message, receiver, random), {receiver}) == message


@pytest.mark.parametrize("key", ["A" * 42, "", "-" * 43])
def test_a_key_of_another_form_is_no_setting(key: str) -> None:
    with pytest.raises(InvalidSetting):
        Secretbox.of(key)
