"""Imports in a fresh interpreter, to see what they load."""

from __future__ import annotations

import os
import subprocess
import sys


def packages_loaded_by(module: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after importing `module`.

    Coverage is not measured there, because it loads packages of its own.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return {name.split(".")[0] for name in result.stdout.split()}
