"""How the overview is divided, by layout, size and compactness."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_console.views.selection.layout import LAYOUTS, next_layout, plan

WIDE, NARROW = (120, 38), (80, 22)


@given(
    st.integers(0, 300),
    st.integers(0, 120),
    st.integers(0, 10_000),
    st.sampled_from(sorted(LAYOUTS)),
    st.booleans(),
    st.integers(0, 500),
)
def test_the_panes_fill_the_screen(
    width: int, height: int, adapters: int, layout: str, compact: bool, chains: int
) -> None:
    parts = plan(width, height, adapters, layout, compact, chains=chains)
    heights = parts[:4]
    assert min(heights) >= 0
    assert sum(heights) == height
    assert parts.chains <= max(3, height // 3)
    assert parts.table >= min(height, 4)


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_each_layout_shows_the_panes_it_is_named_for(size: tuple[int, int]) -> None:
    seen = {name: plan(*size, 12, name, chains=4) for name in LAYOUTS}
    shown = {
        name: [pane for pane in ("chains", "routes", "failures") if getattr(parts, pane)]
        for name, parts in seen.items()
    }
    assert shown == {
        "balanced": ["chains", "failures"],
        "breakers": [],
        "routes": ["chains", "routes"],
        "failures": ["failures"],
    }


def test_the_chains_take_a_line_each_up_to_a_third_of_the_height() -> None:
    assert plan(*NARROW, 12, chains=2).chains == 4
    assert plan(*NARROW, 12, chains=40).chains == 7
    assert plan(*WIDE, 12, chains=40).chains == 12
    assert plan(*WIDE, 12).chains == 0


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_layout_for_routes_leaves_more_lines_to_them_and_some_to_the_breakers(size: tuple[int, int]) -> None:
    routes, balanced = plan(*size, 1000, "routes"), plan(*size, 1000)
    assert routes.routes > balanced.failures
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
