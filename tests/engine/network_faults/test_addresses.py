"""Addresses as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.network_faults.addresses import Address, is_loopback, read_address, read_listen_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("api.example.com:443", Address("api.example.com", 443)),
        ("[::1]:5432", Address("::1", 5432)),
        ("[0:0:0:0:0:0:0:1]:5432", Address("::1", 5432)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: Address) -> None:
    assert read_address(text) == address
    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not an address"),
        ("8080", "write HOST:PORT"),
        ("localhost", "write HOST:PORT"),
        ("::1:8080", "write HOST:PORT, or [IPV6]:PORT"),
        ("[::g]:8080", "is not an address"),
        ("[1:2]:8080", "1:2 is not an IPv6 address"),
        ("a b:80", "is not an address"),
        ("a:80\n", "is not an address"),
        ("a:٨٠", "is not an address"),
        ("http://a:80", "is not an address"),
        ("a:0", "between 1 and 65535, not 0"),
        ("a:65536", "between 1 and 65535, not 65536"),
        ("x" * 500 + ":80", "is not an address"),
    ],
)
def test_what_is_no_address_is_an_error(text: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        read_address(text)
    assert said in str(error.value) and len(str(error.value)) < 300


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = read_address(text, port_may_be_chosen=True)
    except ValueError:
        return
    assert read_address(str(address), port_may_be_chosen=True) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost"])
def test_these_hosts_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", "localhost.example.com", "127.1"])
def test_other_hosts_need_an_allowance(host: str) -> None:
    address = Address(host, 0)
    with pytest.raises(ValueError, match=r"can be reached from other hosts; write 127\.0\.0\.1, or set allow_remote"):
        read_listen_address(str(address))
    assert read_listen_address(str(address), allow_remote=True) == address
