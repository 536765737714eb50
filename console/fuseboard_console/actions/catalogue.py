"""Everything an operator can do on the screen, as data.

Key bindings, the footer, the help, the palette, what `--read-only` leaves out and the table in
docs/console.md all come from this one list.
"""

from __future__ import annotations

from fuseboard_console.actions.model import Action, read_only_actions
from fuseboard_console.actions.pages import page_actions, pages_with

OVERVIEW = ("overview",)
LISTS = pages_with("list")
"""The pages that consist of one list."""
FILTERED = pages_with("filter")
SORTED = (*OVERVIEW, *LISTS, "scenarios")
DETAIL = ("detail",)
"""The detail of an adapter, a modal screen over any page."""
CHARTS = ("lanes", *DETAIL)
"""Where a time window is chosen."""
ADAPTERS = (*pages_with("adapter"), *DETAIL)
"""The pages with an adapter under the cursor."""
MARKED = pages_with("mark")
"""The pages on which lines can be marked, for actions on many."""
RENAMED = {
    "page_letters": "page_dead_letters",
    "letter_retry": "dead_letter_retry",
    "letter_archive": "dead_letter_archive",
    "letter_unarchive": "dead_letter_unarchive",
    "letter_discard": "dead_letter_discard",
    "letter_status": "dead_letter_status",
    "run_open": "run_resumable",
}
"""Former ids of actions, which preferences may still name, and the present ones."""


ACTIONS: tuple[Action, ...] = (
    Action(
        "reset",
        ("r",),
        "reset",
        "Close the selected breaker: its next call goes through.",
        "Breakers",
        verb="reset",
        pages=ADAPTERS,
        needs_selection=True,
    ),
    Action(
        "reset_all",
        ("R",),
        "reset all open",
        "Close every breaker that refuses calls. Asks first.",
        "Breakers",
        verb="reset_all",
        pages=ADAPTERS,
        dangerous=True,
    ),
    Action(
        "force_open",
        ("o",),
        "hold open",
        "Hold the selected breaker open until someone resets it. Asks first.",
        "Breakers",
        verb="force_open",
        pages=ADAPTERS,
        dangerous=True,
        needs_selection=True,
        footer=False,
    ),
    Action(
        "open_for",
        ("O",),
        "open for ...",
        "Open the selected breaker for a time. Asks for how long.",
        "Breakers",
        verb="open_for",
        pages=ADAPTERS,
        dangerous=True,
        needs_selection=True,
        footer=False,
    ),
    Action(
        "half_open",
        ("p",),
        "probe now",
        "End the selected breaker's wait: its next call is a probe.",
        "Breakers",
        verb="half_open",
        pages=ADAPTERS,
        needs_selection=True,
        footer=False,
    ),
    Action(
        "disable",
        ("D",),
        "disable",
        "Let every call through the selected breaker, uncounted. Asks first.",
        "Breakers",
        verb="disable",
        pages=ADAPTERS,
        dangerous=True,
        needs_selection=True,
        footer=False,
    ),
    Action(
        "metrics_only",
        ("M",),
        "watch only",
        "Let every call through the selected breaker, counted. Asks first.",
        "Breakers",
        verb="metrics_only",
        pages=ADAPTERS,
        dangerous=True,
        needs_selection=True,
        footer=False,
    ),
    Action(
        "enable",
        ("E",),
        "enable",
        "Enable the selected breaker: its policy decides again.",
        "Breakers",
        verb="enable",
        pages=ADAPTERS,
        needs_selection=True,
        footer=False,
    ),
    Action(
        "inject",
        ("i",),
        "fault",
        "Let the selected adapter fail for an exercise. Opens a menu.",
        "Scenarios",
        verb="inject",
        pages=ADAPTERS,
        needs_selection=True,
        footer=False,
    ),
    Action(
        "detail",
        ("enter",),
        "detail",
        "Show everything about the selected adapter.",
        needs_selection=True,
        pages=OVERVIEW,
    ),
    Action("filter", ("slash",), "filter", "Show only some lines: state:open name:gpt* tag:eu !test.", pages=FILTERED),
    Action(
        "unfilter",
        ("escape",),
        "show all",
        "Remove all marks, then the filter, then leave the past.",
        footer=False,
        pages=FILTERED,
    ),
    Action("faults", ("f",), "faults only", "Show only adapters that need attention or failed.", pages=OVERVIEW),
    Action("group", ("b",), "group", "Group adapters by engine, by first tag, or not at all.", pages=OVERVIEW),
    Action("fold", ("z",), "fold", "Fold or unfold the group under the cursor.", footer=False, pages=OVERVIEW),
    Action(
        "fold_all", ("Z",), "fold all", "Fold every group; press again to unfold them.", footer=False, pages=OVERVIEW
    ),
    Action(
        "mark",
        ("x", "insert"),
        "mark",
        "Mark the selected line. Actions then apply to all marked lines.",
        needs_selection=True,
        footer=False,
        pages=MARKED,
    ),
    Action(
        "mark_all",
        ("X", "ctrl+a"),
        "mark all",
        "Mark all lines shown, or none.",
        footer=False,
        pages=MARKED,
    ),
    Action("sort", ("s",), "sort", "Sort by the next column.", pages=SORTED),
    Action("turn", ("S",), "reverse", "Reverse the order.", footer=False, pages=SORTED),
    Action("next_problem", ("n",), "next problem", "Go to the next adapter that needs attention.", pages=OVERVIEW),
    *page_actions(),
    Action(
        "dead_letter_retry",
        ("r",),
        "retry",
        "Retry the selected dead letter now, in its engine.",
        "Dead letters",
        verb="dlq_retry",
        pages=("dead_letters",),
        needs_selection=True,
    ),
    Action(
        "dead_letter_archive",
        ("a",),
        "archive",
        "Archive the selected dead letter: it leaves the list but is kept.",
        "Dead letters",
        verb="dlq_archive",
        pages=("dead_letters",),
        needs_selection=True,
    ),
    Action(
        "dead_letter_unarchive",
        ("u",),
        "unarchive",
        "Put an archived dead letter back.",
        "Dead letters",
        verb="dlq_unarchive",
        pages=("dead_letters",),
        needs_selection=True,
        footer=False,
    ),
    Action(
        "dead_letter_discard",
        ("D",),
        "discard",
        "Discard the selected dead letter: it is never retried. Asks first.",
        "Dead letters",
        verb="dlq_discard",
        pages=("dead_letters",),
        dangerous=True,
        needs_selection=True,
    ),
    Action(
        "dead_letter_stop",
        ("K",),
        "stop retrying",
        "Stop retries of many dead letters after the one in flight.",
        "Dead letters",
        verb="dlq_stop",
        pages=("dead_letters",),
        footer=False,
    ),
    Action(
        "dead_letter_status",
        ("f",),
        "status",
        "Show only dead letters of one status; press again for the next.",
        pages=("dead_letters",),
    ),
    Action(
        "run_resume",
        ("r",),
        "resume",
        "Resume the selected run; finished nodes are not repeated.",
        "Workflows",
        verb="resume",
        pages=("workflows",),
        needs_selection=True,
    ),
    Action("run_resumable", ("f",), "resumable only", "Show only runs that can be resumed.", pages=("workflows",)),
    Action("play", ("enter",), "play", "Play the selected scenario and watch it.", "Scenarios", pages=("scenarios",)),
    Action("next_step", ("n",), "next step", "Go to the next step of the scenario.", "Scenarios", steers=True),
    Action("restart", ("0",), "start over", "Play the scenario from the beginning.", "Scenarios", steers=True),
    Action("stop_playing", ("K",), "stop", "Stop the scenario that is playing.", "Scenarios", pages=("scenarios",)),
    Action("open", ("enter",), "open", "Show everything about the selected line.", pages=LISTS),
    Action(
        "outcome", ("f",), "outcome", "Show only routes with one outcome; press again for the next.", pages=("routes",)
    ),
    Action("pause", ("space",), "pause", "Pause the view, the replay or the scenario; press again to go on."),
    Action("back", ("left",), "10 s back", "Go ten seconds back in time.", "Time", footer=False),
    Action("forward", ("right",), "10 s on", "Go ten seconds forward in time.", "Time", footer=False),
    Action("previous_event", ("left_square_bracket",), "rewind", "Go back one event.", "Time"),
    Action("next_event", ("right_square_bracket",), "event on", "Go forward one event.", "Time", footer=False),
    Action(
        "previous_change",
        ("left_curly_bracket",),
        "state change back",
        "Go back to the previous state change of a breaker.",
        "Time",
        footer=False,
    ),
    Action(
        "next_change",
        ("right_curly_bracket",),
        "state change on",
        "Go forward to the next state change of a breaker.",
        "Time",
        footer=False,
    ),
    Action("first_event", ("left_parenthesis",), "begin", "Go to the beginning.", "Time", footer=False),
    Action("go_to_time", ("at",), "go to time", "Go to a time: 03:12, or an age such as 15m.", "Time", footer=False),
    Action("slower", ("less_than_sign",), "slower", "Replay or play a scenario more slowly.", "Time", footer=False),
    Action("faster", ("greater_than_sign",), "faster", "Replay or play a scenario faster.", "Time", footer=False),
    Action("live", ("L",), "live", "Return to the live view; esc does too.", "Time", footer=False),
    Action("copy", ("y",), "copy", "Copy the item under the cursor in full, as text.", footer=False),
    Action("zoom_in", ("plus",), "zoom in", "Show a shorter time in the charts.", pages=CHARTS),
    Action("zoom_out", ("minus",), "zoom out", "Show a longer time in the charts.", pages=CHARTS),
    Action("layout", ("v",), "layout", "Switch the overview to the next layout.", footer=False, pages=OVERVIEW),
    Action("compact", ("c",), "compact", "Hide the frames; press again to show them.", footer=False),
    Action("next_pane", ("tab",), "pane", "Go to the next pane.", pages=OVERVIEW),
    Action("theme", ("t",), "theme", "Next theme: dark, light, contrast, two for colour blindness."),
    Action(
        "themes", ("T",), "all themes", "Choose from all themes, including Textual's.", footer=False, run="change_theme"
    ),
    Action(
        "palette",
        ("colon",),
        "palette",
        "Search all actions, adapters and pages; ctrl+p does too.",
        "Fuseboard",
        footer=False,
        run="command_palette",
    ),
    Action("help", ("question_mark",), "help", "Show what every key does.", "Fuseboard"),
    Action(
        "suspend",
        ("ctrl+z",),
        "suspend",
        "Suspend the console to the shell; fg brings it back.",
        "Fuseboard",
        footer=False,
        run="suspend_process",
    ),
    Action("quit", ("q",), "quit", "Quit. Engines keep running.", "Fuseboard"),
    Action("cursor_down", ("down", "j"), "next", "Go to the next line.", "Move", footer=False),
    Action("cursor_up", ("up", "k"), "previous", "Go to the previous line.", "Move", footer=False),
    Action("page_down", ("pagedown",), "page down", "Go down one page.", "Move", footer=False),
    Action("page_up", ("pageup",), "page up", "Go up one page.", "Move", footer=False),
    Action("first", ("home", "g"), "first", "Go to the first line.", "Move", footer=False),
    Action("last", ("end", "G"), "last", "Go to the last line.", "Move", footer=False),
)
"""All actions, in the order they are shown."""


def actions_for(read_only: bool) -> tuple[Action, ...]:
    """Return all actions; in read-only mode without those that send a command."""
    return read_only_actions(ACTIONS) if read_only else ACTIONS
