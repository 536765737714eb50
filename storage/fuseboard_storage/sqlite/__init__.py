"""SQLite: the schema, connections, and how several processes share one file."""
