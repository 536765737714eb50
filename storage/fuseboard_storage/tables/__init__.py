"""The SQL of a recording, a module per table."""
