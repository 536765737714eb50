"""Screens that open over the console; each is imported when it opens."""
