"""A shutdown hook that opens an issue with the recovery instructions at a tracker that speaks GitHub's REST API.

In code, or in the configuration under `shutdown`:

    shutdown_on_signals(engine, recorder=recorder, hook=open_issue)
    hook = "recovery_issue:open_issue"

As a command, which gets the report as JSON on its standard input:

    hook = ["python", "recovery_issue.py"]

The environment says where and as whom: `ISSUE_REPOSITORY` (`owner/name`), `ISSUE_TOKEN`, and `ISSUE_API` for another
server than https://api.github.com. The instructions name the command line of the application, so use a private tracker.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SECONDS = 4.0  # a hook has 4.5 s
LONGEST = 60_000  # characters of an issue's text


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would send the token to another server."""

    def redirect_request(self, *args: Any, **options: Any) -> None:
        """Return no request, so that a redirect is an error."""


_OPENER = urllib.request.build_opener(_NoRedirects)


async def open_issue(report: Any) -> None:
    """Open an issue for the report of a shutdown, unless the engine ended orderly and nothing was left to do.

    Args:
        report: the `ShutdownReport`.

    Raises:
        RuntimeError: the environment is incomplete, or the tracker did not accept the issue; the shutdown goes on and
            names the reason.
    """
    fields = {name: getattr(report, name) for name in ("engine", "reason", "hanging", "interrupted", "problems")}
    if is_worth_an_issue(fields):
        await asyncio.to_thread(post_issue, issue_of(fields, report.instructions), os.environ)


def is_worth_an_issue(report: Mapping[str, Any]) -> bool:
    """Return whether an operator has something to do: work is left, or the end was not ordered by a signal."""
    left = report.get("hanging") or report.get("interrupted") or report.get("problems")
    return bool(left) or not str(report["reason"]).startswith(("SIGTERM", "SIGINT", "shutdown was asked for"))


def issue_of(report: Mapping[str, Any], instructions: str) -> dict[str, Any]:
    """Return the issue as the API takes it. Its text is the recovery instructions, from which secrets are removed."""
    try:
        text = Path(instructions).read_text(encoding="utf-8") if instructions else ""
    except OSError as error:
        text = f"The instructions could not be read: {error.strerror}"
    text = text or "There are no recovery instructions: the shutdown was given no file for them."
    return {
        "title": f"{report['engine']} shut down and needs attention",
        "body": f"```text\n{text[:LONGEST].replace('```', '` ` `')}\n```",
        "labels": ["recovery"],
    }


def post_issue(issue: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Open an issue and return its address.

    Raises:
        RuntimeError: a variable is missing, or the tracker did not accept the issue. The text never holds the token.
    """
    missing = [name for name in ("ISSUE_REPOSITORY", "ISSUE_TOKEN") if not environment.get(name)]
    if missing:
        raise RuntimeError(f"no issue was opened: set {' and '.join(missing)}")
    base = environment.get("ISSUE_API", "https://api.github.com").rstrip("/")
    request = urllib.request.Request(
        f"{base}/repos/{environment['ISSUE_REPOSITORY']}/issues",
        data=json.dumps(issue).encode(),
        headers={
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {environment['ISSUE_TOKEN']}",
            "content-type": "application/json",
            "user-agent": "fuseboard-recovery-hook",
        },
    )
    try:
        with _OPENER.open(request, timeout=SECONDS) as response:
            return str(json.load(response).get("html_url", ""))
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"the tracker answered {error.code}; no issue was opened") from None
    except (OSError, ValueError) as error:
        raise RuntimeError(f"the tracker could not be reached: {type(error).__name__}; no issue was opened") from None


def main() -> int:
    """Open an issue for the report on standard input. Return the exit code."""
    report = json.load(sys.stdin)
    if not is_worth_an_issue(report):
        return 0
    try:
        print(post_issue(issue_of(report, report.get("instructions", "")), os.environ))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
