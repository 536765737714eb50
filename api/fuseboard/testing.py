"""Tests of an application: virtual time, faults in its own adapters and before real servers, and simulated worlds.

from fuseboard.testing import FaultProxy, Faults, World, virtual_time
"""

from __future__ import annotations

from fuseboard_engine.network_faults.proxy import FaultProxy
from fuseboard_engine.testing.faults import Faults
from fuseboard_engine.testing.virtual import run, virtual_time
from fuseboard_engine.testing.world import World
from fuseboard_engine.virtual_time import RealIO

__all__ = ["FaultProxy", "Faults", "RealIO", "World", "run", "virtual_time"]
