"""Screens that open over the pages. Each is imported when it first opens."""
