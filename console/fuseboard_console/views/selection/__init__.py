"""Selects and orders the rows that are shown."""
