"""Proxies of a scenario: what a file may say, and real clients that meet the faults of its timeline."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.events import Event, ScenarioStep
from fuseboard_engine.scenario.model import Scenario, schema
from fuseboard_engine.scenario.paced_time import PacedLoop
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario.show import Show
from fuseboard_engine.scenario.timeline import timeline_of
from fuseboard_engine.virtual_time import run
from support.network_servers import connected, server
from support.paths import ROOT
from support.waiting import until_async

SMALLEST = """\
scenario: bad-network
title: The network before a server
duration: 1000
proxies:
  payments: {upstream: "127.0.0.1:9"}
timeline:
  - {at: 100, proxy: payments, fault: reset, for: 100, say: Connections are reset}
"""


def with_step(step: str) -> str:
    return f"{SMALLEST}  - {{{step}}}\n"


def with_proxy(proxy: str) -> str:
    return SMALLEST.replace("timeline:", f"  other: {{{proxy}}}\ntimeline:")


def mistakes(text: str) -> str:
    with pytest.raises(DocumentError) as error:
        parse(text, Scenario, "mine.yaml")
    return str(error.value)


def test_a_scenario_may_have_only_proxies() -> None:
    scenario = parse(SMALLEST, Scenario, "mine.yaml")
    assert scenario.proxies["payments"].listen == "127.0.0.1:0"
    assert [(step.at, step.fault, step.heal, step.say) for step in timeline_of(scenario)] == [
        (100, "reset", False, "Connections are reset"),
        (200, None, True, "payments: connections work"),
    ]


def test_the_faults_of_a_proxy_repeat_have_values_and_replace_each_other() -> None:
    text = with_step("at: 300, proxy: payments, fault: latency, delay: 0.2, every: 200, for: 50")
    text += "  - {at: 320, proxy: payments, fault: half_tls_record, then: close}\n"
    steps = timeline_of(parse(text, Scenario, "mine.yaml"))[2:]
    assert [(step.at, step.fault, step.values) for step in steps] == [
        (300, "latency", {"delay": 0.2}),
        (320, "half_tls_record", {"then": "close"}),
        *(
            (at, *done)
            for at in (500, 700, 900)
            for at, *done in ((at, "latency", {"delay": 0.2}), (at + 50, None, {}))
        ),
    ]
    assert steps[0].say == "payments: data takes 0.2 seconds longer in each direction"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            with_step("at: 1, proxy: paymints, fault: reset"),
            "8: timeline.1.proxy: there is no proxy 'paymints' here; did",
        ),
        (
            with_step("at: 1, proxy: payments, fault: hang"),
            "8: timeline.1: a proxy has no fault 'hang'; there are latency",
        ),
        (with_step("at: 1, proxy: payments, command: reset"), "8: timeline.1: a proxy only has faults"),
        (with_step("at: 1, proxy: payments, tag: eu, heal: true"), "8: timeline.1: a step has only one of proxy"),
        (
            with_step("at: 1, adapter: gpt, fault: reset"),
            "8: timeline.1: reset is a fault of the network: name a proxy",
        ),
        (with_step("at: 1, adapter: gpt, fault: hang"), "8: timeline.1.adapter: this scenario has no adapters"),
        (
            with_step("at: 1, proxy: payments, fault: reset, delay: 1"),
            "8: timeline.1.delay: only fault: delayed or laten",
        ),
        (with_step("at: 1, proxy: payments, fault: latency, delay: -1"), "8: timeline.1.delay: "),
        (with_step("at: 1, proxy: payments, fault: latency, delay: .inf"), "8: timeline.1.delay: "),
        (with_proxy("upstream: 8080"), "6: proxies.other.upstream: "),
        (with_proxy('upstream: "nowhere"'), "6: proxies.other.upstream: 'nowhere' is not an address: write HOST:PORT"),
        (with_proxy('listen: "localhost:0"'), "6: proxies.other.upstream: this field is required"),
        (
            with_proxy('upstream: "a:1", listen: "0.0.0.0:80"'),
            "6: proxies.other.listen: 0.0.0.0:80 can be reached from",
        ),
        (
            with_proxy('upstream: "a:1", allow_remote: true'),
            "6: proxies.other.allow_remote: only an address that other",
        ),
        (
            with_proxy('upstream: "localhost:80", listen: "localhost:80"'),
            "6: proxies.other.upstream: its connections wo",
        ),
        (
            SMALLEST.replace("payments: {", "'': {").replace("proxy: payments", "proxy: ''"),
            "5: proxies.: a proxy needs",
        ),
        (SMALLEST.replace('proxies:\n  payments: {upstream: "127.0.0.1:9"}\n', ""), "1: adapters: this field is requi"),
        (SMALLEST + "traffic: [{per_second: 1}]\n", "8: traffic: the tasks need adapters"),
        (SMALLEST + "adapters: {gpt: {}}\n", "8: adapters: without traffic no adapter is called"),
        (SMALLEST + "expect: {success_rate: 1}\n", "8: expect: without traffic no adapter is called"),
    ],
)
def test_a_contradiction_is_reported_with_its_line(text: str, said: str) -> None:
    assert any(line.startswith(f"mine.yaml:{said}") for line in mistakes(text).splitlines()), mistakes(text)


def test_a_port_belongs_to_one_proxy() -> None:
    text = with_proxy('upstream: "a:1", listen: "127.0.0.1:8080"').replace(
        'payments: {upstream: "127.0.0.1:9"', 'payments: {upstream: "127.0.0.1:9", listen: "127.0.0.1:8080"'
    )
    assert mistakes(text) == "mine.yaml:6: proxies.other.listen: the proxy payments listens on 127.0.0.1:8080 too"


def test_the_schema_has_proxies_and_network_faults() -> None:
    definitions = schema()["$defs"]
    assert "upstream" in definitions["ProxyPart"]["properties"]
    assert "black_hole" in str(definitions["StepPart"]["properties"]["fault"])


def test_the_example_of_the_page_is_a_scenario() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(timeline_of(parse(example, Scenario, "faults.md"))) == 10


def test_a_scenario_with_proxies_does_not_play_in_virtual_time() -> None:
    async def play() -> None:
        await Player(parse(SMALLEST, Scenario, "mine.yaml")).play()

    with pytest.raises(
        DocumentError, match=r"real sockets, which need real time\. Play it with `fuseboard scenario pl"
    ):
        run(play())


class Played:
    """A scenario that plays in front of a server; `port` is that of its proxy."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def observe(self, event: Event) -> None:
        """Keep what is announced."""
        if isinstance(event, ScenarioStep):
            self.texts.append(event.text)

    async def said(self, text: str) -> str:
        """Wait until something with this text is announced, and return it."""

        async def there() -> bool:
            return any(text in one for one in self.texts)

        await until_async(there)
        return next(one for one in self.texts if text in one)

    async def port(self) -> int:
        """Return the port of the proxy once it listens."""
        line = await self.said("payments: listening on ")
        return int(line.partition(" -> ")[0].rpartition(":")[2])


def played(meet: Callable[[Played, PacedLoop, str], Awaitable[Any]]) -> Played:
    """Run a test in paced time with a server."""
    told, loop = Played(), PacedLoop()

    async def main() -> None:
        async with server() as upstream:
            await meet(told, loop, SMALLEST.replace("127.0.0.1:9", upstream))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    return told


def test_clients_of_a_proxy_meet_the_faults_of_the_timeline() -> None:
    async def meet(told: Played, loop: PacedLoop, text: str) -> None:
        player = Player(parse(text, Scenario, "mine.yaml"), on_event=told.observe)
        playing = asyncio.create_task(player.play())
        port = await told.port()
        async with connected("127.0.0.1", port) as client:
            assert await client.ask(b"hello") == b"hello"
            loop.skip_to(150)
            assert await client.is_reset()
        loop.skip_to(250)
        await told.said("connections work")
        async with connected("127.0.0.1", port) as client:
            assert await client.ask(b"hello") == b"hello"
            loop.skip_to(1_001)
            assert (await playing).broken == []
            assert await client.rest() == b""  # the proxy ends with the scenario

    told = played(meet)
    assert told.texts[1:] == ["Connections are reset", "payments: connections work"]


def test_a_show_opens_its_proxies_again_when_it_is_played_again() -> None:
    async def meet(told: Played, loop: PacedLoop, text: str) -> None:
        class Listening:
            async def __aenter__(self) -> None:
                pass

            async def __aexit__(self, *_: object) -> None:
                pass

        def listen(engines: Any) -> Listening:
            engines[0].subscribe(told.observe)
            return Listening()

        show = Show(parse(text, Scenario, "mine.yaml"), listen)  # type: ignore[arg-type]
        showing = asyncio.create_task(show.run())
        first = await told.port()
        async with connected("127.0.0.1", first) as client:
            assert await client.ask(b"hello") == b"hello"
            told.texts.clear()
            show.restart()
            second = await told.port()
            assert await client.rest() == b""
        async with connected("127.0.0.1", second) as client:
            assert await client.ask(b"hello") == b"hello"
        showing.cancel()
        await asyncio.wait({showing})

    played(meet)


def test_an_address_in_use_is_an_error_that_names_the_proxy() -> None:
    async def meet(told: Played, loop: PacedLoop, text: str) -> None:
        async with server() as taken:
            text = text.replace("payments: {", f'payments: {{listen: "{taken}", ')
            with pytest.raises(DocumentError, match=f"the proxy payments cannot listen on {taken}: .*in use"):
                await Player(parse(text, Scenario, "mine.yaml")).play()

    played(meet)
