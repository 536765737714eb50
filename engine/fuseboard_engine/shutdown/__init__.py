"""Ending an engine, by hand or on a signal."""
