"""Rules for the SQL in the sources."""

from __future__ import annotations

import ast
import re

import pytest

from support.source_tree import Module, modules


@pytest.mark.parametrize("module", modules("fuseboard_storage"), ids=lambda module: module.name)
def test_no_query_numbers_its_parameters(module: Module) -> None:
    # Python 3.12.1 warns of `?1` with a sequence of values, and a program that makes warnings errors cannot record.
    texts = [
        node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not [text for text in texts if re.search(r"\?\d", text)]
