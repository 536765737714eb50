"""A document as values: sections of paragraphs, lists, tables and figures. Its texts are safe text, not yet escaped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table. `right` are the columns of figures."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A chart: an SVG, and lines of text that say the same where no picture can be shown."""

    title: str
    svg: str
    text: tuple[str, ...]


Block = Paragraph | Bullets | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading and what follows it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A title, what comes first, and sections."""

    title: str
    intro: tuple[Block, ...]
    sections: tuple[Section, ...]
