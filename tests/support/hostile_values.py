"""Values that a YAML file may hold and that do not fit most fields."""

from __future__ import annotations

DIGITS = "9" * 5_000
YAML_VALUES = (
    "2026-01-01", "2026-01-01 10:00:00", "2026-13-45", "2026-01-01 99:99:99", "0000-00-00", DIGITS, f"-{DIGITS}",
    f"0x{DIGITS}", f"0b{'1' * 20_000}", f"1:{'59:' * 2000}59", f"{DIGITS}.5", "1e999999", ".inf", "-.inf", ".nan",
    "!!bool maybe", "!!int x", "!!int ''", "!!float x", "!!float ''", "!!timestamp never", "!!null x", "!!binary ☃",
    "!!binary x", "!!str [a]", "!!map x", "!!seq x", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]",
    "!!python/object:os.system x", "!!unknown x", "!local x", "{? [a, b] : c}", "{? {a: b} : c}", "{2026-01-01: x}",
    "{1.5: x}", "{null: x}", "{true: x}", f"{{{DIGITS}: x}}", "{!!bool maybe: x}", "&a [*a]", "&a {b: *a}", "*nowhere",
    "[" * 200, "{a: " * 200, "<<: x", "{<<: x}", "{<<: [x, y]}", "'\\ud800'", '"\\ud800"', '"\\uD83D"', '"\\x00"',
    "on", "~", "=", "0o17", "0_1", "_", "+", "-", "0x", "0b", "1_000", "012345678", "''", "|\n  text", ">-\n  text",
)  # fmt: skip
