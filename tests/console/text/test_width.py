"""Text folded to a width: what stays on one line."""

from __future__ import annotations

import pytest

from fuseboard_console.text.width import fold


@pytest.mark.parametrize("cells", range(12, 90))
def test_a_number_stays_with_its_unit(cells: int) -> None:
    text = "opens after 5 failures in a row; waits 1.5 s, 2.25 s, 3.375 s … 5 s; 12 ms, 3 min, 2 h, 40 % and 2 d"
    lines = fold(text, cells)
    assert " ".join(lines) == text
    assert not [line for line in lines if line.split()[0].strip(",;") in ("s", "ms", "min", "h", "%", "d")]
    assert not [line for line in lines if line.endswith("…")]
    assert max(map(len, lines)) <= cells


def test_words_and_names_are_still_broken_between_them() -> None:
    assert fold("attempt 3 succeeded", 9) == ["attempt 3", "succeeded"]
    assert fold("attempt 3 succeeded", 12) == ["attempt 3", "succeeded"]
    assert fold("route 5 handled", 8) == ["route 5", "handled"]
