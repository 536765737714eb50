"""Line numbers of the fields of a TOML document."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.documents.toml_locations import line_numbers

TEXT = '''# a comment with "quotes" and [brackets]
name = "x"   # behind

[a.b]
c = """
[no.table]
d = 1
"""
e.f = [
  1, # ]
  "]", '[',
]
"g h" = { i = 1, j = "}" }

[[k]]
l = 1
[k.m]
n = 2
[[k]]
l = \'\'\'
x\'\'\'
o = 2026-01-01
'''


def test_every_field_and_table_is_found_at_its_line() -> None:
    found = line_numbers(TEXT)
    expected = {
        ("name",): 2,
        ("a", "b"): 4,
        ("a", "b", "c"): 5,
        ("a", "b", "e"): 9,
        ("a", "b", "e", "f"): 9,
        ("a", "b", "g h"): 13,
        ("k",): 15,
        ("k", 0): 15,
        ("k", 0, "l"): 16,
        ("k", 0, "m"): 17,
        ("k", 0, "m", "n"): 18,
        ("k", 1): 19,
        ("k", 1, "l"): 20,
        ("k", 1, "o"): 22,
    }
    assert {way: found.get(way) for way in expected} == expected
    assert set(found) == {(), *expected}


VALUES = st.sampled_from(
    [
        "1",
        '"a#b"',
        "'[x]'",
        '"""\n# no\n[no]\nx = 1\n"""',
        "'''\n'''",
        "[1,\n 2, # ]\n 3]",
        "{ y = '}' }",
        r'"\"]"',
        "true",
    ]
)


@given(st.lists(st.tuples(VALUES, st.sampled_from(["", "  # [comment] \" '", "\n", "\n\n# x = 1"])), min_size=1))
def test_the_line_of_a_field_is_right_whatever_precedes_it(fields: list[tuple[str, str]]) -> None:
    text, expected = "", {}
    for number, (value, behind) in enumerate(fields):
        expected[(f"f{number}",)] = text.count("\n") + 1
        text += f"f{number} = {value}{behind}\n"
    tomllib.loads(text)
    found = line_numbers(text)
    assert {way: found.get(way) for way in expected} == expected
