"""`fuseboard db`: checks a recording for damage, and copies what can be read of a damaged one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fuseboard_console.cli import exit_codes

SUMMARY = "check a recording for damage, or copy what can be read of a damaged one"
DESCRIPTION = """Check the file of a recording, or salvage a damaged one: copy every row that can be read to a new file.
FILE is not changed. An engine that meets a damaged recording moves it aside, as checkout.db.damaged-1, and begins
a new one."""
EXAMPLES = """  fuseboard db check checkout.db                                 what is wrong with the file, if anything
  fuseboard db check checkout.db --json                          the same as JSON
  fuseboard db salvage checkout.db.damaged-1 rescued.db          copy what can be read into rescued.db"""
ORDER = 76


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("action", choices=("check", "salvage"), help="what to do")
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db.damaged-1")
    parser.add_argument("target", metavar="NEW", nargs="?", help="salvage: the new file, which must not exist")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: Namespace) -> int:
    """Check or salvage the file, and return the exit code."""
    from fuseboard_console.cli.output import complain
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_storage.errors import RecordingError

    if (args.action == "salvage") != (args.target is not None):
        complain("Name the file to salvage and the new one." if args.action == "salvage" else "Name one file to check.")
        return exit_codes.BAD_INPUT
    try:
        return _salvage(args) if args.action == "salvage" else _check(args)
    except RecordingError as error:
        complain(safe_text(str(error), 500))
        return exit_codes.BAD_INPUT


def _check(args: Namespace) -> int:
    import json
    from pathlib import Path

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.text.formatting import plural
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_storage.recording.salvage import MAX_PROBLEMS, check

    found = check(args.file)
    if args.json:
        print_out(json.dumps({"sound": not found, "complaints": found}))
    elif not found:
        print_out(f"{safe_text(Path(args.file).name, 200)} is sound.")
    else:
        complaints = plural(len(found), "complaint")
        more = " or more" if len(found) >= MAX_PROBLEMS else ""
        print_out(f"{safe_text(Path(args.file).name, 200)} is damaged. SQLite has {complaints}{more}:")
        for line in found:
            print_out(f"  {safe_text(line, 200)}")
        print_out("`fuseboard db salvage FILE NEW` copies what can be read.")
    return exit_codes.NOT_DONE if found else exit_codes.OK


def _salvage(args: Namespace) -> int:
    import json
    from pathlib import Path

    from fuseboard_console.cli.interrupts import interruptible
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_storage.recording.salvage import salvage

    with interruptible():
        found = salvage(args.file, args.target)
    if args.json:
        print_out(json.dumps([part._asdict() for part in found]))
        return exit_codes.OK
    width = max(len(part.table) for part in found)
    for part in found:
        places = "places" if part.gaps > 1 else "place"
        gaps = f", and others in {part.gaps} {places} that cannot be read" if part.gaps else ""
        print_out(f"{part.table:<{width}}  {part.rows:>9,} rows{gaps}")
    print_out(f"They are in {safe_text(Path(args.target).name, 200)}.")
    return exit_codes.OK
