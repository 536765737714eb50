"""Run with the Python of an environment that has only the wheel: is everything in it that should be?"""

from __future__ import annotations

import importlib.metadata
import sys
from importlib.resources import files

PACKAGES = ("fuseboard", "fuseboard_engine", "fuseboard_storage", "fuseboard_console", "fuseboard_scenarios")


def main() -> int:
    missing = [f"{package}/py.typed" for package in PACKAGES if not (files(package) / "py.typed").is_file()]
    if not (files("fuseboard_scenarios") / "files" / "primary-outage.yaml").is_file():
        missing.append("fuseboard_scenarios/files/primary-outage.yaml")
    tops = {str(f).split("/")[0] for f in importlib.metadata.files("fuseboard") or ()}
    strangers = {top for top in tops if not top.startswith(("fuseboard", ".."))}
    for name in missing:
        print(f"not in the wheel: {name}")
    for name in strangers:
        print(f"in the wheel, but not ours: {name}")
    print(f"wheel {importlib.metadata.version('fuseboard')}: {len(PACKAGES)} packages")
    return 1 if missing or strangers else 0


if __name__ == "__main__":
    sys.exit(main())
