"""What network faults do with data on its way: a server's bytes through the pure part, with a clock moved by hand."""

from __future__ import annotations

import inspect
import math
from collections import deque
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.network_faults.delivery import BURST, Piece, Progress, advance
from fuseboard_engine.network_faults.fault_methods import NetworkFaultMethods
from fuseboard_engine.network_faults.table import NETWORK_FAULTS, network_fault_values
from support.paths import ROOT


class Sent(NamedTuple):
    """Bytes that were sent, and when."""

    at: float
    data: bytes


class Delivered(NamedTuple):
    """What a client receives: data with its times, how the connection ends, and whether something still waits."""

    sent: list[Sent]
    end: str | None
    stalled: bool
    dropped: int

    @property
    def data(self) -> bytes:
        """All that was sent."""
        return b"".join(part.data for part in self.sent)


def deliver(fault: str, pieces: list[tuple[float, bytes]], *, is_answer: bool = True, **values: Any) -> Delivered:
    """Let pieces, with the times of their arrival, meet a fault until nothing happens any more."""
    known, waiting = network_fault_values(fault, values), deque(Piece(data, at) for at, data in pieces)
    progress, now, sent, dropped = Progress(is_answer), 0.0, [], 0
    while waiting:
        piece = waiting.popleft()
        now = max(now, piece.arrived)
        decision = NETWORK_FAULTS[fault].deliver(known, progress, piece, now)
        rest = piece.data[decision.size :]
        if decision.drops:
            dropped += len(piece.data)
        elif decision.size or decision.passes:
            data = bytes(piece.data[: decision.size])
            progress = advance(progress, data, now, known)
            sent.append(Sent(now, data))
            if rest:
                waiting.appendleft(Piece(rest, piece.arrived))
        elif decision.end is None:
            waiting.appendleft(piece)
            if decision.until == math.inf:
                return Delivered(sent, None, True, dropped)
            assert decision.until > now
            now = decision.until
        if decision.end is not None:
            return Delivered(sent, decision.end, False, dropped)
    return Delivered(sent, None, False, dropped)


ARRIVALS = st.lists(st.tuples(st.floats(0, 10), st.binary(min_size=1, max_size=200)), max_size=10).map(
    lambda pieces: sorted(pieces, key=lambda piece: piece[0])
)
UNHARMED = ("latency", "bandwidth")


def whole(pieces: list[tuple[float, bytes]]) -> bytes:
    """Return the data of all pieces."""
    return b"".join(data for _, data in pieces)


@given(st.sampled_from(UNHARMED), ARRIVALS, st.booleans())
def test_latency_and_bandwidth_lose_nothing_and_keep_the_order(
    fault: str, pieces: list[tuple[float, bytes]], is_answer: bool
) -> None:
    assert deliver(fault, pieces, is_answer=is_answer).data == whole(pieces)


@given(ARRIVALS, st.floats(0.001, 10))
def test_latency_sends_each_piece_its_delay_after_its_arrival(pieces: list[tuple[float, bytes]], delay: float) -> None:
    sent = deliver("latency", pieces, delay=delay).sent
    assert [part.at for part in sent] == [at + delay for at, _ in pieces]


@given(ARRIVALS, st.integers(1, 2_000))
def test_a_limited_bandwidth_is_not_exceeded_in_any_span_of_time(pieces: list[tuple[float, bytes]], rate: int) -> None:
    sent = deliver("bandwidth", pieces, bytes_per_second=rate).sent
    burst = max(1, rate * BURST)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            size = sum(len(part.data) for part in sent[first : last + 1])
            assert size <= rate * (sent[last].at - sent[first].at) + burst + 1e-6


def test_a_limited_bandwidth_is_used() -> None:
    sent = deliver("bandwidth", [(0.0, b"x" * 1_000)], bytes_per_second=100).sent
    assert sent[-1].at == pytest.approx(10 - 5 / 100)  # the last five bytes go at once


@given(ARRIVALS, st.integers(0, 500))
def test_the_connection_closes_after_so_many_bytes_of_the_answer(pieces: list[tuple[float, bytes]], limit: int) -> None:
    done = deliver("close_after", pieces, after_bytes=limit)
    assert done.data == whole(pieces)[:limit]
    assert done.end == ("close" if pieces and len(whole(pieces)) >= limit else None)


@given(ARRIVALS)
def test_a_black_hole_sends_nothing_in_either_direction(pieces: list[tuple[float, bytes]]) -> None:
    for is_answer in (True, False):
        assert deliver("black_hole", pieces, is_answer=is_answer) == Delivered([], None, False, len(whole(pieces)))


@pytest.mark.parametrize("fault", ["close_after", "half_tls_record"])
def test_requests_pass_where_only_answers_are_concerned(fault: str) -> None:
    assert deliver(fault, [(0.0, b"x" * 1_000)], is_answer=False).data == b"x" * 1_000


RECORD = b"\x16\x03\x01\x00\x0aABCDEFGHIJ"


@pytest.mark.parametrize("pieces", [[RECORD * 2], [RECORD[:3], RECORD[3:7], RECORD[7:] + RECORD], [RECORD, RECORD]])
@pytest.mark.parametrize("then", ["stall", "close"])
def test_half_of_a_tls_record_is_its_header_and_half_of_its_body(pieces: list[bytes], then: str) -> None:
    done = deliver("half_tls_record", [(0.0, piece) for piece in pieces], then=then)
    assert done.data == RECORD[:10]
    assert (done.end, done.stalled) == (("close", False) if then == "close" else (None, True))


def test_of_an_answer_without_tls_half_of_the_first_piece_is_sent() -> None:
    assert deliver("half_tls_record", [(0.0, b"HTTP/1.1"), (0.0, b" 200 OK")]).data == b"HTTP"
    assert deliver("half_tls_record", [(0.0, b"H"), (0.0, b"TTP")]) == Delivered([], None, True, 0)


@pytest.mark.parametrize("fault", [name for name in NETWORK_FAULTS if name != "black_hole"])
def test_the_end_of_what_one_side_sends_is_passed_on(fault: str) -> None:
    assert deliver(fault, [(0.0, b"")]) in (Delivered([Sent(at, b"")], None, False, 0) for at in (0.0, 2.0))


@pytest.mark.parametrize(
    ("fault", "values", "said"),
    [
        ("latancy", {}, "there is no network fault 'latancy'; did you mean latency?"),
        ("latency", {"dealy": 1}, "the fault latency has no value 'dealy'; did you mean delay?"),
        ("latency", {"delay": -1}, "delay (seconds that a call, or data on its way, takes longer) cannot be -1"),
        ("latency", {"delay": math.inf}, "cannot be inf"),
        ("bandwidth", {"bytes_per_second": 0}, "should be greater than or equal to 1"),
        ("close_after", {"after_bytes": 1.5}, "cannot be 1.5"),
        ("half_tls_record", {"then": "burn"}, "cannot be 'burn'"),
        ("reset", {"after": 1}, "it takes none"),
    ],
)
def test_a_value_that_a_fault_cannot_have_is_an_error(fault: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        network_fault_values(fault, values)
    assert said in str(error.value)


def test_each_fault_has_a_sentence_with_its_values() -> None:
    sentences = {name: fault.sentence(network_fault_values(name, {})) for name, fault in NETWORK_FAULTS.items()}
    assert sentences["latency"] == "data takes 2 seconds longer in each direction"
    assert sentences["half_tls_record"] == "connections stall in the middle of the next TLS record of the answer"
    assert not [text for text in sentences.values() if "`" in text]


@pytest.mark.parametrize("name", NETWORK_FAULTS)
def test_each_fault_has_a_method_with_its_values(name: str) -> None:
    class Injected(NetworkFaultMethods):
        def inject(self, fault: str, *, for_: float | None = None, **values: Any) -> None:
            assert (fault, for_, values) == (name, 3, network_fault_values(name, {}))

    method = getattr(Injected(), name)
    method(for_=3)
    given = [parameter for parameter in inspect.signature(method).parameters if parameter != "for_"]
    assert given == [parameter.name for parameter in NETWORK_FAULTS[name].parameters]
    assert method.__doc__.lower() == f"{NETWORK_FAULTS[name].about}.".lower()


def test_the_page_lists_every_fault_with_its_values() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    for name, fault in NETWORK_FAULTS.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        for parameter in fault.parameters:
            default = f"{parameter.default:g}" if isinstance(parameter.default, float) else parameter.default
            assert f"`{parameter.name}`" in row and f"({default})" in row
