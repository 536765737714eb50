"""The console's themes, and what each name of a style looks like in any theme."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color
from textual.theme import Theme


def _theme(name: str, dark: bool, colours: Mapping[str, str]) -> Theme:
    return Theme(
        name=name,
        dark=dark,
        primary=colours["info"],
        secondary=colours["info"],
        accent=colours["accent"],
        foreground=colours["text"],
        background=colours["ground"],
        surface=colours["ground"],
        panel=colours["panel"],
        success=colours["ok"],
        warning=colours["warn"],
        error=colours["bad"],
        variables={
            "fuse-held": colours["held"],
            "fuse-ready": colours["ready"],
            "fuse-muted": colours["muted"],
            "fuse-faint": colours["faint"],
            "fuse-line": colours["line"],
            "fuse-cursor": colours["cursor"],
            "block-cursor-foreground": colours["ground"],
            "block-cursor-background": colours["accent"],
            "border": colours["accent"],
            "border-blurred": colours["line"],
            "scrollbar": colours["line"],
            "scrollbar-background": colours["ground"],
            "scrollbar-hover": colours["muted"],
            "scrollbar-active": colours["accent"],
            "scrollbar-corner-color": colours["ground"],
        },
    )


THEMES: tuple[Theme, ...] = (
    _theme(
        "fuseboard-dark",
        True,
        {
            "text": "#d4d8dd", "muted": "#949ca6", "faint": "#6b747f", "ground": "#12161b", "panel": "#1b2129",
            "line": "#343d48", "cursor": "#232c37", "ok": "#62b878", "bad": "#f2606a", "warn": "#e6b450",
            "ready": "#f08c4b", "held": "#c78bea", "info": "#6cb2eb", "accent": "#6cb2eb",
        },
    ),
    _theme(
        "fuseboard-light",
        False,
        {
            "text": "#22282f", "muted": "#59636e", "faint": "#79828c", "ground": "#fafaf7", "panel": "#efefe9",
            "line": "#c3c8cd", "cursor": "#e3eaf2", "ok": "#1f7a3d", "bad": "#c01c28", "warn": "#8f5b00",
            "ready": "#b34a00", "held": "#8a2fb0", "info": "#0b61a8", "accent": "#0b61a8",
        },
    ),
    _theme(
        "fuseboard-contrast",
        True,
        {
            "text": "#ffffff", "muted": "#dcdcdc", "faint": "#b8b8b8", "ground": "#000000", "panel": "#161616",
            "line": "#9a9a9a", "cursor": "#2c3a66", "ok": "#5dff85", "bad": "#ff7a7a", "warn": "#ffe14d",
            "ready": "#ffae42", "held": "#ff9cff", "info": "#7fd4ff", "accent": "#ffe14d",
        },
    ),
    # For red-green deficiencies (deuteranopia, protanopia): blue is well, orange is trouble, apart in lightness too.
    _theme(
        "fuseboard-blue-orange",
        True,
        {
            "text": "#d8dbe0", "muted": "#989fa9", "faint": "#6f7781", "ground": "#12151a", "panel": "#1b2028",
            "line": "#363d48", "cursor": "#252c38", "ok": "#56a3e8", "bad": "#ff9142", "warn": "#f7e06e",
            "ready": "#ffc48a", "held": "#d6a8e6", "info": "#8fc7f2", "accent": "#f0e9d2",
        },
    ),
    # For blue-yellow deficiencies (tritanopia): teal is healthy, red is trouble, pink is between.
    _theme(
        "fuseboard-teal-red",
        True,
        {
            "text": "#dadbdd", "muted": "#9b9da2", "faint": "#727479", "ground": "#131517", "panel": "#1d1f22",
            "line": "#3a3d42", "cursor": "#2a2d33", "ok": "#2fb8ac", "bad": "#ff5a5f", "warn": "#ffb3c1",
            "ready": "#ff8a94", "held": "#e8e8e8", "info": "#7fd6cf", "accent": "#7fd6cf",
        },
    ),
)  # fmt: skip
"""The console's own themes; Textual's are there too."""


class Palette(dict[str, Style]):
    """The look of every style name. With `ascii_only` our own signs beyond ASCII are replaced when painted."""

    ascii_only = False

    def __init__(self, styles: Mapping[str, Style]) -> None:
        """Take the styles by their names."""
        super().__init__(styles)
        self._bare: dict[str, bool] = {}

    def look(self, name: str) -> Style:
        """Return what a style looks like; of `warn+glow`, the one laid over the other. An unknown one is plain text."""
        found = self.get(name)
        if found is None:
            first, _, over = name.partition("+")
            plain = self["text"]
            found = self[name] = self.get(first, plain) + self.get(over, Style.null()) if over else plain
        return found

    def bare(self, name: str) -> bool:
        """Return whether a blank in a style shows nothing of it: neither a ground nor a line."""
        found = self._bare.get(name)
        if found is None:
            look = self.look(name)
            found = self._bare[name] = look.bgcolor is None and not (look.strike or look.underline or look.reverse)
        return found


_EMPHASISED = ("bad-dim", "warn")
"""Styles that only their colour distinguishes from plain text: without colours they are bold."""


def palette_of(theme: Theme, *, ascii_only: bool = False, colours: bool = True) -> Palette:
    """Return the palette of any theme; what a foreign theme does not say is mixed from what it does.

    Without `colours` trouble is emphasised by attributes, so that it never looks weaker than what is well.
    """
    styles = _styles_of(theme)
    if not colours:
        styles |= {name: styles[name] + Style(bold=True) for name in _EMPHASISED}
    palette = Palette(styles)
    palette.ascii_only = ascii_only
    return palette


def variables_of(theme: Theme) -> dict[str, str]:
    """Return the colours that the style sheets name and no foreign theme says."""
    styles = _styles_of(theme)
    named = {"fuse-line": styles["quiet"].color, "fuse-muted": styles["muted"].color}
    return {name: colour.name for name, colour in named.items() if colour is not None}


def _styles_of(theme: Theme) -> dict[str, Style]:
    dark = theme.dark

    def colour_or(colour: str | None, otherwise: str) -> str:
        """Return a theme's colour; those that are names of the terminal's own can't be mixed."""
        return colour if colour and not theme.ansi else otherwise

    text = colour_or(theme.foreground, "#e0e0e0" if dark else "#1f1f1f")
    ground = colour_or(theme.background, "#121212" if dark else "#efefef")

    def mixed(share: float, over: str = ground) -> str:
        return Color.parse(text).blend(Color.parse(over), share).hex6

    own = theme.variables
    ok = colour_or(theme.success, "#4ebf71" if dark else "#1f7a3d")
    bad = colour_or(theme.error, "#ba3c5b" if dark else "#c01c28")
    warn = colour_or(theme.warning, "#ffa62b" if dark else "#8f5b00")
    info = colour_or(theme.secondary or theme.primary, "#6cb2eb" if dark else "#0b61a8")
    accent = colour_or(theme.accent or theme.primary, info)
    muted = own.get("fuse-muted") or mixed(0.35)
    faint = own.get("fuse-faint") or mixed(0.55)
    held = own.get("fuse-held") or "#b48ead"
    ready = own.get("fuse-ready") or warn
    cursor = own.get("fuse-cursor") or mixed(0.86)

    def dim(colour: str, share: float = 0.3) -> str:
        return Color.parse(colour).blend(Color.parse(ground), share).hex6

    on_bad = Color.parse(ground).hex6
    return {
        "text": Style(color=text),
        "strong": Style(color=text, bold=True),
        "muted": Style(color=muted),
        "faint": Style(color=faint),
        "title": Style(color=faint),
        "sorted": Style(color=text, bold=True),
        "ok": Style(color=ok),
        "ok-dim": Style(color=dim(ok, 0.25)),
        "bad": Style(color=bad, bold=True),
        "bad-dim": Style(color=bad),
        "warn": Style(color=warn),
        "ready": Style(color=ready, bold=True),
        "held": Style(color=held, bold=True),
        "info": Style(color=info),
        "silent": Style(color=muted, italic=True),
        "struck": Style(color=faint, strike=True),
        "quiet": Style(color=own.get("fuse-line") or mixed(0.75)),
        "spark": Style(color=dim(info, 0.35)),
        "key": Style(color=accent, bold=True),
        "brand": Style(color=on_bad, bgcolor=accent, bold=True),
        "banner": Style(color=text),
        "banner-bad": Style(color=bad, bold=True),
        "replay": Style(color=on_bad, bgcolor=info, bold=True),
        "banner-strong": Style(color=on_bad, bgcolor=warn, bold=True),
        "scenario": Style(color=on_bad, bgcolor=warn, bold=True),
        "alarm": Style(color=on_bad, bgcolor=bad, bold=True),
        "head": Style(color=text, bold=True),
        "glow": Style(bgcolor=Color.parse(accent).blend(Color.parse(ground), 0.7).hex6),
        "cursor": Style(bgcolor=cursor),
        "cursor-mark": Style(color=accent, bgcolor=cursor, bold=True),
    }
