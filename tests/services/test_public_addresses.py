from ipaddress import ip_address

import pytest

from app.services.safe_fetch.public_addresses import literal_address, why_refused


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"]
)
def test_public_addresses_are_allowed_also_where_an_ipv6_network_wraps_them(address: str) -> None:
    assert why_refused(ip_address(address)) is None


@pytest.mark.parametrize("address", ["10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "fd12::1", "::1"])
def test_private_addresses_are_allowed_only_on_request(address: str) -> None:
    assert why_refused(ip_address(address)) is not None
    assert why_refused(ip_address(address), allow_private=True) is None


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254"),
        *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2606:4700::a9fe:a9fe", "2002:a9fe:a9fe::1"),
        *("169.254.1.1", "fe80::1", "fe80::1%eth0", "0.1.2.3", "::", "224.0.0.1", "239.1.1.1", "ff02::1"),
        *("255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "2001:db8::1", "2001::1", "100::1"),
        *("64:ff9b:1::1", "::7f00:1", "4000::1", "fec0::1"),
    ],
)
def test_some_addresses_are_refused_always(address: str) -> None:
    assert why_refused(ip_address(address), allow_private=True) is not None


@pytest.mark.parametrize(
    "address", ["::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2606:4700::5efe:10.0.0.1"]
)
def test_a_private_address_in_ipv6_clothing_is_refused(address: str) -> None:
    assert why_refused(ip_address(address)) is not None


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1."])
def test_every_spelling_of_an_address_is_known(host: str) -> None:
    assert literal_address(host) == ip_address("127.0.0.1")


@pytest.mark.parametrize("host", ["files.example", "localhost", "1.example", "127.0.0.1.example"])
def test_a_name_is_not_taken_for_an_address(host: str) -> None:
    assert literal_address(host) is None
