"""A document as Markdown. Foreign text cannot become markup."""

from __future__ import annotations

import re

from fuseboard_console.views.report.document import Block, Bullets, Document, Figure, Paragraph, Table

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$@])")
_AT_START = re.compile(r"^(\d*)([-+=#.)])(?=[-+=#\s]|$)")  # a list, a heading, a rule
_LINK = re.compile(r"(:)(//)|(www)(\.)", re.IGNORECASE)  # what many renderers make a link of


def markdown(document: Document) -> str:
    """Return a document as Markdown (CommonMark with tables)."""
    parts = [f"# {escaped(document.title)}", *map(_block, document.intro)]
    for section in document.sections:
        parts += [f"## {escaped(section.title)}", *map(_block, section.blocks)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return a text whose characters mean nothing in Markdown."""
    text = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    text = _LINK.sub(lambda found: f"{found[1] or found[3]}\\{found[2] or found[4]}", text)
    return _AT_START.sub(r"\1\\\2", text)


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return escaped(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {escaped(item)}" for item in block.items)
    if isinstance(block, Figure):
        lines = "\n".join(f"    {line}" for line in block.text)
        return f"**{escaped(block.title)}**\n\n{lines}"
    return _table(block)


def _table(table: Table) -> str:
    rule = ["---:" if place in table.right else "---" for place in range(len(table.head))]
    rows = [tuple(map(escaped, row)) for row in (table.head, *table.rows)]
    lines = [" | ".join(row) for row in (rows[0], tuple(rule), *rows[1:])]
    return "\n".join(f"| {line} |" for line in lines)
