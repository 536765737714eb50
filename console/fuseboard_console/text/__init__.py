"""Text on a terminal: safe, measured, formatted."""
