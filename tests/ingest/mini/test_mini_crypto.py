"""What WeChat encrypts and signs for mini-programs, by its own public samples."""

from base64 import b64decode, b64encode

import orjson
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Forbidden
from ingest.mini.crypto import decrypted, is_signed

APP_ID = "wx4f4bc4dec97d474b"
KEY = "tiihtNczf5v6AKRyjwEUhQ=="
IV = "r7BXXKkLb8qrSNn05n0qiA=="
SAMPLE = (
    "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGO"
    "ETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxua"
    "cJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xN"
    "rXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJd"
    "NiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
)
RAW = (
    '{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN",'
    '"avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrzt'
    'uuICqIM5ibXQ/0"}'
)
RAW_KEY = "HyVFkGl5F5OQWJZZaNzBBg=="


def closed(plain: bytes, padding: bytes) -> str:
    """Encrypt *plain*, with a padding that need not be right."""
    encryptor = Cipher(algorithms.AES(b64decode(KEY)), modes.CBC(b64decode(IV))).encryptor()
    return b64encode(encryptor.update(plain + padding) + encryptor.finalize()).decode()


def test_the_public_sample_is_decrypted() -> None:
    said = decrypted(SAMPLE, IV, KEY, APP_ID)

    assert said["openId"] == "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
    assert said["unionId"] == "ocMvos6NjeKLIBqg5Mr9QjxrP1FA"
    assert said["watermark"]["appid"] == APP_ID


def test_what_was_made_for_another_mini_program_is_refused() -> None:
    with pytest.raises(Forbidden, match="another"):
        decrypted(SAMPLE, IV, KEY, "wx1")


@pytest.mark.parametrize(
    ("encrypted", "iv", "key"),
    [
        ("", IV, KEY),
        ("!!", IV, KEY),
        (SAMPLE[:-4], IV, KEY),
        (SAMPLE[:-4] + "AAAA", IV, KEY),
        (SAMPLE, "", KEY),
        (SAMPLE, KEY, KEY),
        (SAMPLE, IV, IV),
        (SAMPLE, IV, b64encode(bytes(32)).decode()),  # an AES-256 key
        (SAMPLE, IV, "é"),
    ],
)
def test_what_is_not_whole_is_refused(encrypted: str, iv: str, key: str) -> None:
    with pytest.raises(Forbidden):
        decrypted(encrypted, iv, key, APP_ID)


@pytest.mark.parametrize("padding", [b"\x00" * 2, b"\x03\x03", b"\x01\x02", bytes([18]) * 2])
def test_a_padding_is_right_or_nothing_is(padding: bytes) -> None:
    plain = orjson.dumps({"watermark": {"appid": APP_ID}})
    plain += b" " * (-(len(plain) + 2) % 16)

    assert decrypted(closed(plain, b"\x02\x02"), IV, KEY, APP_ID)
    with pytest.raises(Forbidden):
        decrypted(closed(plain, padding), IV, KEY, APP_ID)


@pytest.mark.parametrize("plain", [b"[1]", b"\xff", b"", b'{"watermark": 1}', b"{}", b'"' + APP_ID.encode() + b'"'])
def test_what_says_nothing_is_refused(plain: bytes) -> None:
    missing = 16 - len(plain) % 16

    with pytest.raises(Forbidden):
        decrypted(closed(plain, bytes([missing]) * missing), IV, KEY, APP_ID)


@given(st.binary(min_size=16, max_size=64))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    with pytest.raises(Forbidden):
        decrypted(b64encode(noise).decode(), IV, KEY, APP_ID)


def test_a_signature_is_as_the_public_sample_has_it() -> None:
    signature = "75e81ceda165f4ffa64f4068af58c64b8f54b88c"

    assert is_signed(signature, RAW, RAW_KEY)
    assert not is_signed(signature, RAW + " ", RAW_KEY)
    assert not is_signed(signature, RAW, KEY)
    assert not is_signed("", RAW, RAW_KEY)
