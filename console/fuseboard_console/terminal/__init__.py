"""The terminal that the console runs in."""
