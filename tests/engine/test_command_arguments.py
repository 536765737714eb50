"""What the arguments of an operator's command say in the audit."""

from __future__ import annotations

import pytest

from fuseboard_engine.command_handler import args_text


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, ""),
        ({"ids": [3]}, "3"),
        ({"ids": [1, 2, 3, 4, 5]}, "1, 2, 3, 4, 5"),
        ({"ids": list(range(1, 1_206))}, "1, 2, 3, 4, 5 and 1,200 more"),
        ({"all": True}, "all"),
        ({"all": False, "statuses": ["pending", "exhausted"], "task_type": "report"},
         "statuses pending, exhausted; task_type report"),
        ({"seconds": 30}, "for 30 s"),
        ({"seconds": None}, ""),
        ({"run": "f3a1"}, "run f3a1"),
    ],
)  # fmt: skip
def test_the_arguments_of_a_command_are_told(args: dict[str, object], text: str) -> None:
    assert args_text(args) == text


def test_a_secret_in_the_arguments_is_not_told() -> None:
    assert "sk-proj-abcdef0123456789abcdef0123456789" not in args_text(
        {"text": "api_key=sk-proj-abcdef0123456789abcdef0123456789"}
    )


def test_long_arguments_are_cut() -> None:
    assert len(args_text({"text": "x" * 10_000})) <= 200
