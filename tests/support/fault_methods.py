"""The methods of `Faults`, one for each fault of the table, as the text of a module.

`python tests/support/fault_methods.py` rewrites engine/fuseboard_engine/testing/fault_methods.py after a change of the
table of faults. They are written down, so that editors, type checkers and `help` know them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from fuseboard_engine.faults.table import FAULTS, Fault, Parameter

FILE = Path(__file__).resolve().parents[2] / "engine" / "fuseboard_engine" / "testing" / "fault_methods.py"

HEAD = '''"""A method for each fault of the table.

Written by `python tests/support/fault_methods.py`: change the table of faults, not this file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from fuseboard_engine.faults.injector import LONGEST, InjectedFault


class FaultMethods(ABC):
    """Puts faults into adapters: a method for each fault, by its name in a scenario.

    A fault takes the place of the one that the adapter has. `for_` is how many seconds it lasts, at most an hour, and
    `share` the share of the calls that meet it, 0..1. Each method raises UnknownAdapter if there is no such adapter,
    and ValueError for a value that the fault cannot have.
    """

    @abstractmethod
    def inject(
        self, adapter: str, fault: str, *, for_: float = LONGEST, share: float = 1.0, **values: Any
    ) -> InjectedFault:
        """Let the calls of an adapter meet a fault, by its name."""
'''


def text() -> str:
    """Return the module."""
    code = HEAD + "".join(_method(name, fault) for name, fault in FAULTS.items())
    command = [sys.executable, "-m", "ruff", "format", f"--stdin-filename={FILE}", "-"]
    return subprocess.run(command, input=code, capture_output=True, text=True, check=True, cwd=FILE.parent).stdout


def _method(name: str, fault: Fault) -> str:
    first, others = fault.parameters[:1], fault.parameters[1:]
    arguments = ["self", "adapter: str", *map(_argument, first), "*", *map(_argument, others)]
    arguments += ["for_: float = LONGEST", "share: float = 1.0"]
    values = "".join(f", {parameter.name}={parameter.name}" for parameter in fault.parameters)
    lines = [
        f"    def {name}({', '.join(arguments)}) -> InjectedFault:",
        *_docstring(fault),
        f'        return self.inject(adapter, "{name}", for_=for_, share=share{values})',
    ]
    return "\n".join(["", *lines, ""])


def _docstring(fault: Fault) -> Iterator[str]:
    if not fault.parameters:
        yield f'        """The adapter {fault.about}."""'
        return
    yield f'        """The adapter {fault.about}.'
    yield ""
    yield "        Args:"
    yield "            adapter: its name."
    for parameter in fault.parameters:
        yield f"            {parameter.name}: {parameter.description}."
    yield "            for_: how many seconds the fault lasts."
    yield "            share: the share of the calls that meet it, 0..1."
    yield '        """'


def _argument(parameter: Parameter) -> str:
    default = f'"{parameter.default}"' if isinstance(parameter.default, str) else repr(parameter.default)
    return f"{parameter.name}: {_annotation(parameter.type)} = {default}"


def _annotation(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return _annotation(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return "Literal[{}]".format(", ".join(f'"{value}"' for value in get_args(kind)))
    return str(kind.__name__)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE.name}: {len(FAULTS)} methods\n")
