"""Into our own network nobody can send us, however he spells it."""

import asyncio
import socket
from ipaddress import ip_address

import httpcore
import pytest

from core.errors import Refused
from core.outbound import Allowed, Guarded, check_url, is_denied

OURS = """
0.0.0.0 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255 :: ::1 ::127.0.0.1 ::169.254.169.254 ::ffff:127.0.0.1 ::ffff:a9fe:a9fe 64:ff9b::a9fe:a9fe
64:ff9b::7f00:1 64:ff9b:1::a00:1 2002:a9fe:a9fe:: 2002:7f00:1:: 2001:0:a9fe:a9fe::1 2001:0:808:808:0:0:5601:5601
fe80::1 fec0::1 fc00::1 fd12:3456::1 ff02::1 2001:db8::1 fe80::5efe:7f00:1 2001:4860::200:5efe:a00:1 100::1
"""
OTHERS = "1.1.1.1 8.8.8.8 47.95.1.1 100.63.255.255 100.128.0.1 172.32.0.1 192.0.1.1 2606:4700::1111 2400:3200::1 2002:808:808::1"


@pytest.mark.parametrize("address", OURS.split())
def test_what_is_ours_is_denied(address: str) -> None:
    assert is_denied(ip_address(address))


@pytest.mark.parametrize("address", OTHERS.split())
def test_what_is_others_is_not(address: str) -> None:
    assert not is_denied(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https:///path",
        "https://user@example.com/",
        "https://u:p@example.com/",
        "https://example.com:22/",
        "https://example.com:99999/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://①②⑦.0.0.1/",
        "https://[::ffff:7f00:1]/",
        "//example.com/",
        "https://example.com/#x",
        "javascript:alert(1)",
        "https://exa\tmple.com/",
        "https://8.8.8.8/",
        "https://%31%32%37.0.0.1/",
        "https://[::1",
        "https://[foo]/",
        "https://example.com℀/",
        "https://example.com/a b",
        "https://example.com/" + "x" * 2_048,
        "https://example.com/\r\nHost: x",
    ],
)
def test_what_is_no_address_to_go_to_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        check_url(url, Allowed())


@pytest.mark.parametrize(
    "url", ["https://example.com/hook", "https://a-b.example.com:8443/x?y=z", "https://xn--fiq.cn/"]
)
def test_what_is_one_is_taken(url: str) -> None:
    check_url(url, Allowed())


def test_what_is_allowed_may_be_reached_without_more() -> None:
    allowed = Allowed.read("hooks.intra, feed.de, 10.1.0.0/16, 127.0.0.1")

    for url in ("http://hooks.intra:8080/", "http://feed.de/", "http://10.1.2.3/", "http://127.0.0.1:9999/x"):
        check_url(url, allowed)
    with pytest.raises(Refused):
        check_url("http://10.2.0.1/", allowed)
    with pytest.raises(ValueError, match="neither"):
        Allowed.read("a b")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "0x7f.1", "2130706433", "017700000001", "::ffff:127.0.0.1", "localhost."]
)
def test_nobody_gets_as_far_as_connecting(host: str) -> None:
    """Whatever a name means is looked at when the connection is made; the one who listens hears of nobody."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)
        port = door.getsockname()[1]

        with pytest.raises(httpcore.ConnectError):
            asyncio.run(Guarded(Allowed()).connect_tcp(host, port))
        with pytest.raises(BlockingIOError):
            door.accept()


def test_a_host_that_is_allowed_is_reached_by_name_and_by_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]

        async def reached() -> None:
            for host, allowed in (
                ("localhost", "localhost"),
                ("localhost", "127.0.0.0/8,::1"),
                ("127.0.0.1", "127.0.0.1"),
            ):
                stream = await Guarded(Allowed.read(allowed)).connect_tcp(host, port)
                await stream.aclose()

        asyncio.run(reached())
