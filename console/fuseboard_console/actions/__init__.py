"""The operator's actions, as data."""
