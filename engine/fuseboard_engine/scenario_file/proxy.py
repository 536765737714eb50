"""The part of a scenario file that describes a proxy on real sockets, and its contradictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.network_faults.addresses import Address, read_address, read_listen_address
from fuseboard_engine.scenario_file.part import Part

MOST_PROXIES: Final = 100
"""Proxies of a scenario at most."""


def _check_upstream(text: str) -> str:
    read_address(text)
    return text


def _check_listen(text: str) -> str:
    read_listen_address(text, allow_remote=True)
    return text


class ProxyPart(Part):
    """A TCP proxy in front of a server, whose connections meet network faults."""

    upstream: Annotated[str, AfterValidator(_check_upstream)] = Field(
        description="the address of the server: HOST:PORT, or [IPV6]:PORT"
    )
    listen: Annotated[str, AfterValidator(_check_listen)] = Field(
        default="127.0.0.1:0", description="the address to listen on; port 0 is a free port"
    )
    allow_remote: bool = Field(default=False, description="whether other hosts may connect, if `listen` lets them")


def proxy_contradictions(data: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find contradictions between the proxies of a scenario and its other parts; `data` as in the file."""
    proxies = _mapping(data.get("proxies"))
    for field in ("adapters", "traffic"):
        if not proxies and not data.get(field):
            yield (field,), "name at least one" if field in data else "this field is required"
    if proxies and not data.get("traffic"):
        for field in ("adapters", "workflows", "expect"):
            if data.get(field):
                yield (field,), "without traffic no adapter is called; add traffic, or remove this"
    if proxies and not data.get("adapters") and data.get("traffic"):
        yield ("traffic",), "the tasks need adapters; add some, or remove this"
    yield from _addresses(proxies)
    for place, step in enumerate(_sequence(data.get("timeline"))):
        name = _mapping(step).get("proxy")
        if isinstance(name, str) and name not in proxies:
            known = did_you_mean(name, proxies) if proxies else "describe it under proxies"
            yield ("timeline", place, "proxy"), f"there is no proxy {name!r} here; {known}"
        if proxies and not data.get("adapters"):
            for field in ("adapter", "tag"):
                if _mapping(step).get(field) is not None:
                    yield ("timeline", place, field), "this scenario has no adapters; name a proxy, or add adapters"


def _addresses(proxies: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Find addresses that others reach without an allowance or that two proxies have, and circles of proxies."""
    taken: dict[Address, str] = {}
    upstreams: dict[str, Address] = {}
    for name, part in proxies.items():
        listen, allowed = _mapping(part).get("listen", "127.0.0.1:0"), _mapping(part).get("allow_remote") is True
        if not name:
            yield ("proxies", name), "a proxy needs a name"
        try:
            upstreams[name] = read_address(str(_mapping(part).get("upstream")))
            address = read_listen_address(listen, allow_remote=True)
        except (TypeError, ValueError):
            continue  # reported as a field
        if not address.is_loopback and not allowed:
            text = f"{address} can be reached from other hosts; write 127.0.0.1, or add allow_remote: true"
            yield ("proxies", name, "listen"), text
        if address.is_loopback and allowed:
            text = "only an address that other hosts can reach uses this; remove it, or write listen"
            yield ("proxies", name, "allow_remote"), text
        if address.port and address in taken:
            yield ("proxies", name, "listen"), f"the proxy {taken[address]} listens on {address} too"
        elif address.port:
            taken[address] = name
    for name in upstreams:
        if _leads_back(name, upstreams, taken):
            yield ("proxies", name, "upstream"), "its connections would come back to it; name a server"


def _leads_back(name: str, upstreams: Mapping[str, Address], listening: Mapping[Address, str]) -> bool:
    """Return whether connections through a proxy come to it again."""
    here = name
    for _ in upstreams:
        following = listening.get(upstreams[here])
        if following is None or following == name:
            return following == name
        here = following
    return False


def _mapping(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}


def _sequence(part: Any) -> Sequence[Any]:
    return part if isinstance(part, list | tuple) else ()
