"""Reading a recording."""
