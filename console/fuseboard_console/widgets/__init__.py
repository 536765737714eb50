"""Widgets that paint the lines of pure views, and only those that changed."""
