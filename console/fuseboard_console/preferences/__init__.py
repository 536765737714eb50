"""An operator's preferences."""
