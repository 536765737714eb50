"""Chains as lines: for each task type how many tasks are answered, which adapter answers them, and which cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from fuseboard_console.text.formatting import SECOND, clock, ordinal, percent, rate, whole_span
from fuseboard_console.text.glyphs import APPEARANCES, Glyphs
from fuseboard_console.text.line import Line, Span, cut_line, fit_line, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit, width
from fuseboard_console.views.adapters.adapter_view import RATE_SECONDS, SHARE_SECONDS
from fuseboard_console.views.lists.chain_adapters import ChainAdapters, EngineAdapters, Unavailable
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.chain_rows import ChainRow, ChainSecond

SLICES: Final = 12
"""Slices of ten seconds in the trend of a chain."""
NAME: Final = 24
"""Cells of a chain's name at the most."""

Condition = Literal["out", "degraded", "failing", "failover", "answered", "idle"]
"""The condition of a chain, the most severe first."""

_CONDITIONS: Final[tuple[Condition, ...]] = ("out", "degraded", "failing", "failover", "answered", "idle")
_STYLES: Final[dict[Condition, str]] = {
    "out": "bad", "degraded": "warn", "failing": "warn", "failover": "ready", "answered": "ok-dim", "idle": "muted",
}  # fmt: skip
_OUT: Final = 3  # newest tasks without an answer from which a chain is out
_STILL: Final = 3  # newest seconds with answers, in which an adapter that still answers gave one
_WIDE: Final = 100  # cells from which there is room for the adapters that take no call


class ChainView(NamedTuple):
    """One chain at one moment: safe texts, and shares of 0 to 1. Times are UTC microseconds."""

    key: tuple[str, str]
    """Engine name and task type."""
    name: str
    condition: Condition
    share: float | None
    """The share of tasks that an adapter answered lately; None: none ended."""
    answerer: str
    """The adapter that answers; empty: none does."""
    place: int | None
    """Its position in the chain, from 1; None: it is not in the chain."""
    of: int
    """The number of adapters in the chain."""
    since: int | None
    """Since when it answers, or none does."""
    unavailable: tuple[Unavailable, ...]
    """The adapters before the one that answers that take no call; of a chain without an answer, all of them."""
    letters: float
    """Dead letters a second."""
    degraded: float
    """The share of degraded answers."""
    now: int
    """The moment of these figures: now, or the last sign of life of an engine that has ended or is silent."""


def chain_views(board: Board, now: int) -> list[ChainView]:
    """Return the chains of a Board, the most severe first, then by name."""
    several = len({engine for engine, _ in board.chain_rows}) > 1
    orders = _orders(board)
    adapters = {engine: EngineAdapters(board, engine, now) for engine, _ in board.chain_rows}
    chains: dict[tuple[str, int], ChainAdapters] = {}  # many task types may share one order
    found = []
    for row in board.chain_rows.values():
        order = orders.get((row.engine, row.task_type)) or orders.get((row.engine, "")) or ()
        chain = chains.get((row.engine, id(order)))
        if chain is None:
            chain = chains[row.engine, id(order)] = ChainAdapters(order, adapters[row.engine])
        found.append(_view(row, chain, adapters[row.engine].now, several))
    return sorted(found, key=lambda view: (_CONDITIONS.index(view.condition), view.name.casefold(), view.key))


def chains_out(board: Board, now: int) -> int:
    """Return how many chains answer no task, without making their views."""
    orders: dict[tuple[str, str], tuple[str, ...]] | None = None
    adapters: dict[str, EngineAdapters] = {}
    chains: dict[tuple[str, int], ChainAdapters] = {}
    out = 0
    for row in board.chain_rows.values():
        engine = adapters.get(row.engine)
        if engine is None:
            engine = adapters[row.engine] = EngineAdapters(board, row.engine, now)
        seconds = _lately(row, engine.now)
        if row.unanswered_since is None and any(second.by for second in seconds):
            continue
        orders = _orders(board) if orders is None else orders
        order = orders.get((row.engine, row.task_type)) or orders.get((row.engine, "")) or ()
        chain = chains.get((row.engine, id(order)))
        if chain is None:
            chain = chains[row.engine, id(order)] = ChainAdapters(order, engine)
        out += _condition(_counts(row, seconds, chain), None, chain) == "out"
    return out


def tasks_not_kept(board: Board, now: int) -> int:
    """Return how many tasks of the last two minutes had no answer, while a chain is out and no dead letter is known."""
    if any(board.dead_letters.values()) or not chains_out(board, now):
        return 0
    first = now - SLICES * 10 * SECOND
    ended = [second for row in board.chain_rows.values() for second in row.between(first, now)]
    return sum(max(0, second.unanswered - second.degraded - second.letters) for second in ended)


def _orders(board: Board) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the adapters of each chain by engine name and task type; the newest instance of a name decides."""
    found = {}
    for (instance, task_type), order in board.chains.items():
        engine = board.instances.get(instance)
        found["" if engine is None else engine.name, task_type] = order
    return found


def _view(row: ChainRow, chain: ChainAdapters, now: int, several: bool) -> ChainView:
    seconds = _lately(row, now)
    counts = _counts(row, seconds, chain)
    answerer = _answerer(row, seconds, chain)
    place = chain.place_of(answerer)
    condition = _condition(counts, place, chain)
    unanswered = condition == "out" or (condition != "idle" and not counts.answered)
    before = chain.length if unanswered or place is None else place - 1
    name = row.task_type or "every task"
    return ChainView(
        key=(row.engine, row.task_type),
        name=safe_text(f"{name} ({row.engine})" if several else name, 80),
        condition=condition,
        share=counts.share,
        answerer="" if unanswered else safe_text(answerer, 60),
        place=place,
        of=chain.length,
        since=_since(row, answerer, unanswered=unanswered),
        unavailable=chain.unavailable(before),
        letters=sum(second.letters for second in seconds) / RATE_SECONDS if seconds else 0.0,
        degraded=_share(counts.degraded, counts.routed) or 0.0,
        now=now,
    )


def _share(part: int, whole: int) -> float | None:
    """Return a share of 0 to 1, also of counts that a damaged recording has; None: of nothing."""
    return min(1.0, max(0.0, part / whole)) if whole > 0 else None


def _since(row: ChainRow, answerer: str, *, unanswered: bool) -> int | None:
    """Return since when no adapter answers, or since when this one does; None if that is not known."""
    if unanswered:
        return row.unanswered_since
    return row.answering_since if answerer and answerer == row.answerer else None


def _lately(row: ChainRow, now: int) -> list[ChainSecond]:
    """Return the last ten complete seconds; if no task ended in them, those of the last minute."""
    end = now - now % SECOND
    return list(row.between(end - RATE_SECONDS * SECOND, end)) or list(row.between(end - SHARE_SECONDS * SECOND, end))


class _Counts(NamedTuple):
    """How the tasks of a chain ended lately."""

    routed: int
    answered: int
    degraded: int
    share: float | None
    """The share that an adapter answered; None: none ended."""
    none_works: bool
    """Whether every adapter refuses calls or is only probed, and the newest tasks had no answer."""


def _counts(row: ChainRow, seconds: Sequence[ChainSecond], chain: ChainAdapters) -> _Counts:
    routed = sum(second.routed for second in seconds)
    answered = sum(second.answered for second in seconds)
    degraded = sum(second.degraded for second in seconds)
    since = row.unanswered_since
    left = 0 if since is None else sum(second.unanswered for second in seconds if second.at >= since - since % SECOND)
    none_works = left >= _OUT and chain.none_works()
    return _Counts(routed, answered, degraded, _share(answered, routed), none_works)


def _answerer(row: ChainRow, seconds: Iterable[ChainSecond], chain: ChainAdapters) -> str:
    """Return the adapter that gave most answers, of those that still answer and take calls if any does."""
    counts: dict[str, int] = {}
    newest: set[str] = set()
    left = _STILL
    for second in seconds:
        if second.by and left:
            left -= 1
            newest.update(second.by)
        for adapter, tasks in second.by.items():
            counts[adapter] = counts.get(adapter, 0) + tasks
    if len(counts) > 1:
        counts = {adapter: tasks for adapter, tasks in counts.items() if adapter in newest}
        counts = {adapter: tasks for adapter, tasks in counts.items() if not chain.refuses(adapter)} or counts
    if not counts:
        return ""
    most = max(counts.values())
    return row.answerer if counts.get(row.answerer) == most else next(name for name, n in counts.items() if n == most)


def _condition(counts: _Counts, place: int | None, chain: ChainAdapters) -> Condition:
    if counts.share is None:
        return "out" if chain.none_can() else "idle"
    if counts.degraded == counts.routed:
        return "degraded"
    if not counts.answered:
        return "out" if counts.routed >= _OUT or chain.none_can() else "failing"
    if counts.degraded:
        return "degraded"
    if counts.none_works:
        return "out"
    if counts.share < 0.99:
        return "failing"
    return "failover" if place is not None and place > 1 else "answered"


def trend_of(row: ChainRow, now: int) -> tuple[float | None, ...]:
    """Return the share of tasks that an adapter answered in each slice of the last two minutes, oldest first."""
    end = now - now % SECOND
    each = 120 // SLICES * SECOND
    slices = [(0, 0)] * SLICES
    for second in row.between(end - SLICES * each, end):
        index = SLICES - 1 - (end - 1 - second.at) // each
        routed, answered = slices[index]
        slices[index] = routed + second.routed, answered + second.answered
    return tuple(_share(answered, routed) for routed, answered in slices)


# ---------------------------------------------------------------------- lines


def name_cells(views: Iterable[ChainView]) -> int:
    """Return the width that the chains' names need."""
    return min(NAME, max((width(view.name) for view in views), default=0))


def chain_line(view: ChainView, trend: Sequence[float | None], cells: int, names: int, glyphs: Glyphs) -> Line:
    """Return a chain as a line: `✖ payment    0 %  ▇▅▂▁▁▁  no adapter since 01:43:21 (18 min)   ☠ 5/s`.

    Args:
        view: The chain.
        trend: See `trend_of`; narrow lines show the newer half.
        cells: The width of the line.
        names: The width of the names, so that the lines of a list are aligned.
        glyphs: The glyphs.
    """
    names = min(names, max(8, cells // 4))
    style = _STYLES[view.condition]
    loud = view.condition == "out"
    share = f"{percent(view.share):>5} %" if view.share is not None else "      –".replace("–", glyphs.none)
    line: list[Span] = [
        Span(f" {chain_sign(view, glyphs)} ", style),
        Span(fit(view.name, names), "strong" if loud else "text" if view.condition != "idle" else "muted"),
        Span(
            f" {share}  ",
            _share_style(view),
        ),
    ]
    if cells >= 60:
        line.extend((*_trend_spans(trend if cells >= _WIDE else trend[-SLICES // 2 :], glyphs), Span("  ")))
    end = _end(view, glyphs)
    room = cells - line_width(line) - line_width(end) - 1
    line.extend(fit_line(_middle(view, room, glyphs), max(0, room)))
    return cut_line((*line, *end, Span(" ")), cells)


def chain_sign(view: ChainView, glyphs: Glyphs) -> str:
    """Return the sign of a chain's condition."""
    signs = {
        "out": glyphs.of("open"), "degraded": glyphs.degraded, "failing": glyphs.failed, "failover": glyphs.of("down"),
        "answered": glyphs.of("closed"), "idle": glyphs.gap,
    }  # fmt: skip
    return signs[view.condition]


def _share_style(view: ChainView) -> str:
    if view.share is None:
        return "muted"
    return "bad" if view.condition == "out" else "text" if view.share >= 0.99 else "warn"


def _trend_spans(trend: Sequence[float | None], glyphs: Glyphs) -> Line:
    steps = len(glyphs.sparks) - 1
    spans = []
    for share in trend:
        if share is None:
            spans.append(Span(glyphs.gap, "quiet"))
        else:
            style = "spark" if share >= 0.99 else "warn" if share >= 0.5 else "bad"
            spans.append(Span(glyphs.sparks[round(share * steps)], style))
    return tuple(spans)


def _middle(view: ChainView, room: int, glyphs: Glyphs) -> Line:
    """Return who answers since when, and who cannot, as far as there is room."""
    since = "" if view.since is None else f" since {clock(view.since)}"
    ago = "" if view.since is None else f" ({whole_span((view.now - view.since) / SECOND)})"
    if view.condition == "idle":
        return (Span("no task in the last minute", "faint"),)
    if view.answerer:
        what = view.answerer
        if view.place is not None and view.of > 1:
            what += f", {ordinal(view.place)} of {view.of}"
        head: Line = (Span(what, "text" if view.place == 1 else "strong"),)
        if view.place != 1 and room >= 50:
            head = (*head, Span(since, "muted"))
    else:
        what = "degraded answers only" if view.condition == "degraded" else "no adapter answers"
        short = "degraded" if view.condition == "degraded" else "no adapter"
        style = _STYLES[view.condition]
        texts = [(what, since, ago), (short, since, ago), (short, since, ""), (short, "", ago), (short, "", "")]
        if view.since is not None and view.condition != "degraded":
            texts.insert(2, ("", since.strip(), ago))  # the share beside it says that no task is answered
        found = next((text for text in texts if sum(map(width, text)) <= room), texts[-1])
        head = (Span(found[0], style), Span(found[1], "text"), Span(found[2], "muted"))
    if view.degraded and view.answerer:
        head = (*head, Span(f"  {percent(view.degraded)} % degraded", "warn"))
    for one in view.unavailable:
        more: Line = (*head, Span("   "), *_unavailable_spans(one, glyphs))
        if line_width(more) > room:
            break
        head = more
    return head


def _unavailable_spans(one: Unavailable, glyphs: Glyphs) -> Line:
    if one.why == APPEARANCES["open"].word.lower():
        return (Span(f"{one.adapter} ", "muted"), Span(glyphs.of("open"), "bad-dim"))
    return (Span(f"{one.adapter} ", "muted"), Span(one.why, "bad-dim"))


def _end(view: ChainView, glyphs: Glyphs) -> Line:
    return (Span(f"  {glyphs.dead} {rate(view.letters)}/s", "bad"),) if view.letters else ()


def chains_summary(views: Sequence[ChainView]) -> str:
    """Return the number of chains that need attention, of all: `1 out, 2 on a later adapter, of 7`."""
    words: dict[Condition, str] = {
        "out": "out", "degraded": "degraded", "failing": "failing", "failover": "on a later adapter",
    }  # fmt: skip
    counts = [(sum(view.condition == condition for view in views), word) for condition, word in words.items()]
    troubled = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    return f"{troubled}, of {len(views):,}" if troubled else f"{len(views):,}"
