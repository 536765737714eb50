"""The file that type checkers read as a user's program names everything that is public."""

import fuseboard
from support.paths import ROOT


def test_the_program_for_type_checkers_uses_every_public_name() -> None:
    scope: dict[str, object] = {}
    exec((ROOT / "tests" / "architecture" / "public_types.py").read_text(), scope)
    used = scope["PUBLIC"]
    assert isinstance(used, tuple)
    assert {id(name) for name in used} == {id(getattr(fuseboard, name)) for name in fuseboard.__all__}
