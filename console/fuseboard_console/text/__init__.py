"""Text for a terminal: made safe, measured, formatted."""
