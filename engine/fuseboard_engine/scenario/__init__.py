"""Scenarios: their file format, simulated adapters and their faults, the player."""
