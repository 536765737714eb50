"""`fuseboard config`: checks a configuration, shows what takes effect, prints its JSON Schema."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Any

from fuseboard_console.cli import exit_codes

if TYPE_CHECKING:
    from fuseboard_engine.config.settings import Settings
    from fuseboard_engine.documents.loader import Document

SUMMARY = "check or show a configuration, or print its JSON Schema"
DESCRIPTION = """A configuration is a TOML or YAML file; environment variables such as
FUSEBOARD__BREAKER__FAILURE_THRESHOLD=3 win over it. `check` names every mistake with file, line and field.
It imports what the file names, as the application would, from the present folder."""
EXAMPLES = """  fuseboard config check fuseboard.toml        every mistake with its line; ends with 2 when there is one
  fuseboard config show fuseboard.toml         what takes effect, and where each value comes from
  fuseboard config show fuseboard.toml --json  the same for a program
  fuseboard config schema > fuseboard.json     a JSON Schema for your editor
  fuseboard config presets                     what each preset is for"""
ORDER = 70

_CHECKS = """  fuseboard config check fuseboard.toml               every mistake; ends with 2 when there is one
  fuseboard config check fuseboard.toml --no-import   without the code that the adapters are in"""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="name every mistake with file, line and field",
        epilog=f"examples:\n{_CHECKS}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    check.add_argument("--no-import", action="store_true", help="do not import the adapters it names")
    show = actions.add_parser("show", help="print what takes effect, and where it comes from")
    show.add_argument("--json", action="store_true", help="print JSON; secrets in options and URLs stay hidden")
    for one in (check, show):
        one.add_argument("file", metavar="FILE", help="the configuration, such as fuseboard.toml")
    schema = actions.add_parser("schema", help="print the JSON Schema of a configuration")
    schema.add_argument("file", metavar="FILE", nargs="?", help="where to write it; default: standard output")
    actions.add_parser("presets", help="explain the presets")


def run(args: Namespace) -> int:
    """Do it, and return the exit code."""
    import json

    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.documents.loader import DocumentError

    if args.action == "schema":
        return _schema(args.file)
    if args.action == "presets":
        print_out(_presets())
        return exit_codes.OK
    sys.path.insert(0, "")  # what the file names is imported from the present folder, as `python -m` does
    try:
        from fuseboard_engine.config.loader import load_document, validate_settings

        document = load_document(args.file)
        if args.action == "check" and not args.no_import:
            _check_all(document)
        settings = validate_settings(document)
        if args.action == "show":
            print_out(json.dumps(_plain(settings), indent=2) if args.json else _shown(settings, document))
            return exit_codes.OK
    except DocumentError as error:
        for line in str(error).splitlines():
            complain(safe_text(line, 500))
        return exit_codes.BAD_INPUT
    adapters = f"{len(settings.adapters)} adapter{'' if len(settings.adapters) == 1 else 's'}"
    print_out(f"{safe_text(args.file, 200)}: all right; {adapters}")
    return exit_codes.OK


def _check_all(document: Document) -> None:
    """Raise DocumentError if a field is wrong or something it names cannot be found, with all of that."""
    from fuseboard_engine.config.loader import unresolved_references, validate_settings
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_engine.documents.validation_errors import sort_by_line

    wrong = []
    try:
        validate_settings(document)
    except DocumentError as error:
        wrong = str(error).splitlines()
    wrong += unresolved_references(document)
    if wrong:
        raise DocumentError("\n".join(sort_by_line(wrong)))


def _schema(file: str | None) -> int:
    import json
    from pathlib import Path

    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_engine.config.settings import schema

    text = json.dumps(schema(), indent=2)
    if file is None:
        print_out(text)
        return exit_codes.OK
    try:
        Path(file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        complain(f"{file} cannot be written: {error.strerror}.")
        return exit_codes.BAD_INPUT
    return exit_codes.OK


def _presets() -> str:
    from textwrap import fill

    from fuseboard_engine.config.presets import PRESETS

    told = []
    for name, preset in PRESETS.items():
        fields = [
            f"    {section}.{field} = {_written(value)}"
            for section, values in preset.sections.items()
            for field, value in values.items()
        ]
        told.append("\n".join([name, fill(preset.about, 100, initial_indent="  ", subsequent_indent="  "), *fields]))
    return "\n\n".join(told)


def _plain(settings: Settings) -> dict[str, Any]:
    """Return settings as JSON has them, without secrets."""
    plain: dict[str, Any] = settings.model_dump(mode="json")
    hidden: dict[str, Any] = _hidden(plain)
    return hidden


def _hidden(value: Any, name: str = "") -> Any:
    """Hide the secrets in what a file says: in texts, and under names such as `api_key`."""
    from fuseboard_engine.event_log.redact import redact

    if isinstance(value, dict):
        return {key: _hidden(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, name) for item in value]
    if isinstance(value, str):
        alone = redact(value)
        return "[hidden]" if redact(f"{name}={value}") != f"{name}={alone}" else alone
    return value


def _shown(settings: Settings, document: Document) -> str:
    """Return every value that takes effect, a line each, with where it comes from."""
    from fuseboard_console.text.safe_text import safe_text

    lines = []
    for way, value in _leaves(_plain(settings), ()):
        origin = _place(way, document) or _inherited(way, document, settings)
        lines.append((safe_text(".".join(map(str, way)), 200), safe_text(_written(value), 200), safe_text(origin, 200)))
    width = max(len(f"{field} = {value}") for field, value, _ in lines)
    return "\n".join(f"{f'{field} = {value}':<{min(width, 70)}}  # {origin}" for field, value, origin in lines)


def _place(way: tuple[str | int, ...], document: Document) -> str:
    """Say where a field stands; empty when neither file nor environment names it."""
    here: Any = document.data
    for part in way:
        if isinstance(here, str):  # an adapter that is named by its target alone
            return document.places.get(way[:2], "") if part == ("url" if "://" in here else "call") else ""
        if not isinstance(here, dict) or part not in here:
            return ""
        here = here[part]
    return next((document.places[way[:n]] for n in range(len(way), 0, -1) if way[:n] in document.places), "")


def _inherited(way: tuple[str | int, ...], document: Document, settings: Settings) -> str:
    """Say where a value comes from that does not stand at a place of its own."""
    from fuseboard_engine.config.loader import INHERITED
    from fuseboard_engine.config.presets import PRESETS

    if way[0] == "adapters" and len(way) > 3 and way[2] in INHERITED:
        own = settings.adapters[str(way[1])].preset
        if own is not None and way[3] in PRESETS[own].sections.get(str(way[2]), {}):
            return f"preset {own}"
        return _place(way[2:], document) or _inherited(way[2:], document, settings)
    if (
        settings.preset is not None
        and len(way) > 1
        and way[1] in PRESETS[settings.preset].sections.get(str(way[0]), {})
    ):
        return f"preset {settings.preset}"
    return "default"


def _leaves(value: Any, way: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*way, key))]
    return [(way, value)]


def _written(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
