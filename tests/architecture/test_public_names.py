"""What `fuseboard_engine` offers at its root is what it says, however it is imported."""

import importlib
import subprocess
import sys

import fuseboard_engine


def test_every_public_name_can_be_imported_first_and_is_not_a_module() -> None:
    script = """
import importlib, sys, types
import fuseboard_engine
for name in fuseboard_engine.__all__:
    scope = {}
    exec(f"from fuseboard_engine import {name}", scope)
    if isinstance(scope[name], types.ModuleType):
        sys.exit(f"{name} is a module")
    for loaded in [module for module in sys.modules if module.startswith("fuseboard_engine")]:
        del sys.modules[loaded]
    importlib.import_module("fuseboard_engine")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_public_name_is_also_the_name_of_a_module() -> None:
    # A submodule becomes an attribute of its package once imported, and would hide the function of that name.
    homes = set(fuseboard_engine._HOME.values())
    assert homes.isdisjoint(fuseboard_engine.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    assert not hasattr(fuseboard_engine, "nonesuch")


def test_errors_that_carry_a_route_can_still_be_imported_from_errors() -> None:
    errors = importlib.import_module("fuseboard_engine.errors")
    assert errors.AllAdaptersFailed is fuseboard_engine.AllAdaptersFailed
    assert errors.StreamBroken is fuseboard_engine.StreamBroken
    assert not hasattr(errors, "nonesuch")
