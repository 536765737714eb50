"""The terminal the console runs in."""
