"""Which addresses a caller may have the service reach."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from latentaug.addresses import lies_in, may_reach, networks, on_loopback

INSIDE = [
    "127.0.0.1",
    "10.1.1.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104
    "255.255.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "192.0.0.8",
    "192.88.99.1",
    "fec0::1",
    "3fff::1",
    "::a00:1",
    "64:ff9b:1::a00:1",
]
IN_DISGUISE = ["::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::"]


@pytest.mark.parametrize("address", INSIDE + IN_DISGUISE)
def test_nothing_inside_is_reached(address: str) -> None:
    assert not may_reach(ip_address(address), ())


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_the_internet_is(address: str) -> None:
    assert may_reach(ip_address(address), ())


def test_networks_that_are_allowed_are_reached_too_and_no_others() -> None:
    allowed = networks("127.0.0.1, 10.0.0.0/8,fc00::/7")
    reached = [address for address in INSIDE + IN_DISGUISE if may_reach(ip_address(address), allowed)]
    assert reached == ["127.0.0.1", "10.1.1.1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::",
                       "2002:a00:1::"]  # fmt: skip


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        networks(text)


def test_where_a_proxy_is_believed() -> None:
    trusted = networks("127.0.0.1,::1")
    assert lies_in("127.0.0.1", trusted)
    assert lies_in("::ffff:127.0.0.1", trusted)
    assert not lies_in("127.0.0.2", trusted)
    assert not lies_in("unix", trusted)
    assert networks("") == ()


@pytest.mark.parametrize(
    ("host", "ours"), [("localhost", True), ("127.1.2.3", True), ("::1", True), ("10.0.0.1", False), ("a.org", False)]
)
def test_what_is_this_machine(host: str, ours: bool) -> None:
    assert on_loopback(host) is ours
