"""Texts that attack a terminal, a markup parser or a layout."""

HOSTILE = (
    "[/foo]",
    "[@click=app.quit]click me[/]",
    "[bold red]not red",
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31mred",
    "\x9b31m",
    "a\u202egnp.exe",
    "\u2066isolated\u2069",
    "zero\u200bwidth\u200d\ufeff",
    "line\nbreak\r\ttab",
    "\ud83d lone surrogate",
    "x" * 300,
    "🔥" * 150,
    "🧑\u200d🚀 rocket ❤\ufe0f",
    "漢字かな交じり文" * 20,
    "e" + "\u0301" * 40,
    "",
    "\u3164\u2800",
    "\U000e0001\U000e0041",
)
