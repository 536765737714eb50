"""All SQL of a recording, one module per table."""
