"""How the answers of several adapters become one result: the documented import path of `parallel.combiners`."""

from fuseboard_engine.parallel.combiners import by_adapter, first, in_order, joined, majority

__all__ = ["by_adapter", "first", "in_order", "joined", "majority"]
