"""Addresses of TCP sockets as text: `127.0.0.1:8080`, `api.example.com:443`, `[::1]:8080`."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

_FORM: Final = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]{1,253})):(?P<port>[0-9]{1,5})", re.ASCII
)
_HIGHEST_PORT: Final = 65_535


class Address(NamedTuple):
    """A host, by name or number, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether a host is this one, reached over its loopback interface: `localhost`, or such a number."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_address(text: str, *, port_may_be_chosen: bool = False) -> Address:
    """Return the address that a text is.

    Args:
        text: `HOST:PORT`, with brackets around an IPv6 address.
        port_may_be_chosen: whether port 0 stands for a free port.

    Raises:
        ValueError: it is no address.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"{text[:100]!r} is not an address: write HOST:PORT, or [IPV6]:PORT")
    port = int(form["port"])
    if port > _HIGHEST_PORT or (port == 0 and not port_may_be_chosen):
        raise ValueError(f"the port must be between {0 if port_may_be_chosen else 1} and {_HIGHEST_PORT}, not {port}")
    if form["ipv6"] is None:
        return Address(form["host"], port)
    try:
        return Address(str(ipaddress.IPv6Address(form["ipv6"])), port)
    except ValueError:
        raise ValueError(f"{form['ipv6']} is not an IPv6 address: write it as in [::1]:8080") from None


def read_listen_address(text: str, *, allow_remote: bool = False) -> Address:
    """Return the address to listen on that a text is; port 0 stands for a free port.

    Args:
        text: `HOST:PORT`, with brackets around an IPv6 address.
        allow_remote: whether other hosts may connect.

    Raises:
        ValueError: it is no address, or other hosts could connect and may not.
    """
    address = read_address(text, port_may_be_chosen=True)
    if not allow_remote and not address.is_loopback:
        raise ValueError(f"{address} can be reached from other hosts; write 127.0.0.1, or set allow_remote to true")
    return address
