"""Widgets that paint the lines of views, and repaint only lines that changed."""
