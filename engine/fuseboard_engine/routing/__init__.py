"""Routing a task along its chain."""
