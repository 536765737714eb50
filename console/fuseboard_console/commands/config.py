"""`fuseboard config`: checks a configuration, shows the effective values, prints the JSON Schema."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Any

from fuseboard_console.cli import exit_codes

if TYPE_CHECKING:
    from fuseboard_engine.config.settings import Settings
    from fuseboard_engine.documents.loader import Document

SUMMARY = "check or show a configuration file, or print its JSON Schema"
DESCRIPTION = """A configuration is a TOML or YAML file. Environment variables such as
FUSEBOARD__BREAKER__FAILURE_THRESHOLD=3 override it. `check` lists every mistake with file, line and field.
It imports the adapters that the file names, as the application would, relative to the current directory."""
EXAMPLES = """  fuseboard config check fuseboard.toml        every mistake with its line; exit code 2 if there is any
  fuseboard config show fuseboard.toml         the effective values, and where each comes from
  fuseboard config show fuseboard.toml --json  the same as JSON
  fuseboard config schema > fuseboard.json     a JSON Schema for your editor
  fuseboard config presets                     what each preset is for"""
ORDER = 70

_CHECK_EXAMPLES = """  fuseboard config check fuseboard.toml               every mistake; exit code 2 if there is any
  fuseboard config check fuseboard.toml --no-import   without importing the adapters' code"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="list every mistake with file, line and field",
        description="List every mistake with file, line and field.",
        epilog=f"examples:\n{_CHECK_EXAMPLES}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    check.add_argument("--no-import", action="store_true", help="do not import the adapters that the file names")
    show = actions.add_parser(
        "show",
        help="print the effective values, and where each comes from",
        description="Print the effective values, and where each comes from.",
    )
    show.add_argument("--json", action="store_true", help="print JSON; secrets in options and URLs are hidden")
    for action in (check, show):
        action.add_argument("file", metavar="FILE", help="the configuration, such as fuseboard.toml")
    schema = actions.add_parser("schema", help="print the JSON Schema of a configuration")
    schema.add_argument("file", metavar="FILE", nargs="?", help="the file to write (default: standard output)")
    actions.add_parser("presets", help="explain the presets")


def run(args: Namespace) -> int:
    """Run the action and return the exit code."""
    import json

    from fuseboard_console.cli.output import complain_of_document, print_out
    from fuseboard_console.text.formatting import plural
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.documents.loader import DocumentError

    if args.action == "schema":
        return _schema(args.file)
    if args.action == "presets":
        print_out(_presets())
        return exit_codes.OK
    sys.path.insert(0, "")  # import what the file names from the current directory, as `python -m` does
    try:
        from fuseboard_engine.config.loader import load_document, validate_settings

        document = load_document(args.file)
        if args.action == "check" and not args.no_import:
            _check_all(document)
        settings = validate_settings(document)
        if args.action == "show":
            print_out(json.dumps(_as_json(settings), indent=2) if args.json else _as_lines(settings, document))
            return exit_codes.OK
    except DocumentError as error:
        complain_of_document(error, args.file)
        return exit_codes.BAD_INPUT
    print_out(f"{safe_text(args.file, 200)}: OK, {plural(len(settings.adapters), 'adapter')}")
    return exit_codes.OK


def _check_all(document: Document) -> None:
    """Raise DocumentError, with every mistake, if a field is wrong or something that the file names can't be found."""
    from fuseboard_engine.config.loader import unresolved_references, validate_settings
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_engine.documents.validation_errors import sort_by_line
    from fuseboard_engine.error_text.redaction import escape_controls

    mistakes = []
    try:
        validate_settings(document)
    except DocumentError as error:
        mistakes = str(error).splitlines()
    mistakes += map(escape_controls, unresolved_references(document))
    if mistakes:
        raise DocumentError("\n".join(sort_by_line(mistakes)))


def _schema(file: str | None) -> int:
    import json

    from fuseboard_console.cli.output import print_or_write
    from fuseboard_engine.config.settings import schema

    return print_or_write(json.dumps(schema(), indent=2), file, like="{")


def _presets() -> str:
    from textwrap import fill

    from fuseboard_engine.config.presets import PRESETS

    paragraphs = []
    for name, preset in PRESETS.items():
        fields = [
            f"    {section}.{field} = {_json(value)}"
            for section, values in preset.sections.items()
            for field, value in values.items()
        ]
        paragraphs.append(
            "\n".join([name, fill(preset.about, 100, initial_indent="  ", subsequent_indent="  "), *fields])
        )
    return "\n\n".join(paragraphs)


def _as_json(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON values, without secrets."""
    from fuseboard_engine.error_text.redaction import hide_secrets_in

    values: dict[str, Any] = settings.model_dump(mode="json")
    hidden: dict[str, Any] = hide_secrets_in(values)
    return hidden


def _as_lines(settings: Settings, document: Document) -> str:
    """Return every effective value on a line of its own, with where it comes from."""
    from fuseboard_console.text.safe_text import safe_text

    lines = []
    for path, value in _leaves(_as_json(settings), ()):
        origin = _place(path, document) or _inherited_from(path, document, settings)
        lines.append((safe_text(".".join(map(str, path)), 200), safe_text(_json(value), 200), safe_text(origin, 200)))
    width = max(len(f"{field} = {value}") for field, value, _ in lines)
    return "\n".join(f"{f'{field} = {value}':<{min(width, 70)}}  # {origin}" for field, value, origin in lines)


def _place(path: tuple[str | int, ...], document: Document) -> str:
    """Return where a field is set; empty when neither the file nor the environment sets it."""
    value: Any = document.data
    for part in path:
        if isinstance(value, str):  # an adapter given by its target alone
            return document.places.get(path[:2], "") if part == ("url" if "://" in value else "call") else ""
        if not isinstance(value, dict) or part not in value:
            return ""
        value = value[part]
    return next((document.places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in document.places), "")


def _inherited_from(path: tuple[str | int, ...], document: Document, settings: Settings) -> str:
    """Return where a field's value comes from when the field itself is not set: a section, a preset, the default."""
    from fuseboard_engine.config.loader import INHERITED
    from fuseboard_engine.config.presets import PRESETS

    if path[0] == "adapters" and len(path) > 3 and path[2] in INHERITED:
        own = settings.adapters[str(path[1])].preset
        if own is not None and path[3] in PRESETS[own].sections.get(str(path[2]), {}):
            return f"preset {own}"
        return _place(path[2:], document) or _inherited_from(path[2:], document, settings)
    if (
        settings.preset is not None
        and len(path) > 1
        and path[1] in PRESETS[settings.preset].sections.get(str(path[0]), {})
    ):
        return f"preset {settings.preset}"
    return "default"


def _leaves(value: Any, path: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], Any]]:
    """Return the path and value of everything in nested dicts that is not itself a filled dict."""
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    return [(path, value)]


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
