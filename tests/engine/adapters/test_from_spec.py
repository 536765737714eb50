"""Adapter specifications as a configuration file writes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import Engine
from fuseboard_engine.adapters.from_spec import adapter_from
from fuseboard_engine.adapters.http import HttpAdapter
from fuseboard_engine.adapters.process import ProcessAdapter
from support.http_service import serving

MODULE = """
class Client:
    instances = 0

    def __init__(self, model="small"):
        self.model = model

    async def call(self, task):
        return f"{self.model} did {task}"

    class Inner:
        async def call(self, task):
            return "inner"

client = Client("shared")

def function(task):
    return f"did {task}"
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_adapters.py").write_text(MODULE)
    (tmp_path / "broken_adapters.py").write_text("import no_such_module_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_adapters", None)


@pytest.mark.parametrize(
    ("spec", "result"),
    [
        ("my_adapters:function", "did it"),
        ("my_adapters:client", "shared did it"),
        ("my_adapters:client.call", "shared did it"),
        ("my_adapters:Client", "small did it"),
        ("my_adapters:Client.Inner", "inner"),
        ({"call": "my_adapters:Client", "model": "large"}, "large did it"),
        ([sys.executable, "-c", "print('[1, 2]')"], [1, 2]),
        ({"command": [sys.executable, "-c", "print(3)"], "env": {"A": "b"}}, 3),
        ({"command": f"{sys.executable} -c 'print(4)'"}, 4),
    ],
)
async def test_every_kind_of_adapter_can_be_specified(spec: Any, result: Any) -> None:
    async with Engine() as engine:
        adapter = engine.add_adapter_from("a", spec, tags=["eu"])
        assert (await engine.execute_with_fallback("it")).result == result
        assert adapter.tags == ("eu",)


async def test_a_url_becomes_an_endpoint_that_has_connections_of_its_own() -> None:
    with serving() as service:
        async with Engine() as engine:
            engine.add_adapter_from("a", service.url)
            engine.add_adapter_from("b", {"url": service.url, "method": "PUT", "headers": {"x-a": "b"}})
            for name in "ab":
                assert (await engine.execute_with_fallback("it", [name])).result == {"fine": True}
        assert [asked["method"] for asked in service.asked] == ["POST", "PUT"]
        assert service.connections == 2


def test_adapter_from_returns_what_add_adapter_takes() -> None:
    assert isinstance(adapter_from("https://host/path"), HttpAdapter)
    assert isinstance(adapter_from(["ls"]), ProcessAdapter)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            "my_adapters",
            "'my_adapters' is not an adapter: write module:attribute, a URL that starts with https://",
        ),
        ("no_such_module:x", "module 'no_such_module' cannot be imported: No module named 'no_such_module'"),
        ("broken_adapters:x", "No module named 'no_such_module_at_all'"),
        ("my_adapters:nothing", "adapter 'my_adapters:nothing': 'my_adapters' has no attribute 'nothing'"),
        ({"call": "my_adapters:Client", "modle": "x"}, "unexpected keyword argument 'modle'"),
        ({"call": "my_adapters:function", "x": 1}, "is not a class, so it takes no options: x"),
        ({"url": "https://h", "verb": "GET"}, "unexpected keyword argument 'verb'"),
        ({"url": "https://h", "command": ["x"]}, "exactly one of call, url, command; this one has url and command"),
        ({"uri": "https://h"}, "exactly one of call, url, command; this one has uri"),
        ([], "a command must be a list of strings"),
    ],
)
def test_an_invalid_specification_is_rejected_with_the_adapters_name(spec: Any, says: str) -> None:
    with pytest.raises(ValueError) as raised:
        adapter_from(spec)
    assert says in str(raised.value)
