"""Tests of an application: virtual time, and faults in its own adapters.

from fuseboard.testing import Faults, virtual_time
"""

from __future__ import annotations

from fuseboard_engine.testing.faults import Faults
from fuseboard_engine.testing.virtual import run, virtual_time
from fuseboard_engine.virtual_time import RealIO

__all__ = ["Faults", "RealIO", "run", "virtual_time"]
