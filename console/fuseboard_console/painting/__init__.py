"""Painting lines: cached widgets, strips, scroll bars."""
