"""What an operator can do, as data."""
