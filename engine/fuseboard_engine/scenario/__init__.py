"""Scenarios: adapters that fail on schedule, traffic over them, and what should come of it."""
