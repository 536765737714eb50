"""Widgets: each paints lines that a pure view made, and only those that changed."""
