"""How the overview is divided, by layout, size and compactness."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_console.views.selection.layout import LAYOUTS, next_layout, plan

WIDE, NARROW = (120, 38), (80, 22)


@given(
    st.integers(0, 300), st.integers(0, 120), st.integers(0, 10_000), st.sampled_from(sorted(LAYOUTS)), st.booleans()
)
def test_the_panes_never_exceed_the_screen(width: int, height: int, adapters: int, layout: str, compact: bool) -> None:
    parts = plan(width, height, adapters, layout, compact)
    below = max(parts.chains, parts.failures) if parts.beside else parts.chains + parts.failures
    assert min(parts.table, parts.chains, parts.failures) >= 0
    assert parts.table + below == height


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_each_layout_shows_the_panes_it_is_named_for(size: tuple[int, int]) -> None:
    seen = {name: plan(*size, 12, name) for name in LAYOUTS}
    shown = {name: (parts.chains > 0, parts.failures > 0) for name, parts in seen.items()}
    assert shown == {
        "balanced": (True, True),
        "breakers": (False, False),
        "routes": (True, False),
        "failures": (False, True),
    }


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_layout_for_routes_leaves_more_lines_to_them_and_some_to_the_breakers(size: tuple[int, int]) -> None:
    routes, balanced = plan(*size, 1000, "routes"), plan(*size, 1000)
    assert routes.chains > balanced.chains
    assert routes.table >= 7


def test_without_frames_more_lines_are_left_for_what_they_hold() -> None:
    compact = plan(*NARROW, 12, compact=True)
    assert not compact.frames
    assert plan(*NARROW, 12).frames


def test_the_layouts_follow_each_other_in_a_cycle() -> None:
    names = ["balanced"]
    for _ in LAYOUTS:
        names.append(next_layout(names[-1]))
    assert names == [*LAYOUTS, "balanced"]
