"""SQLite: the schema, connections, and sharing one file between threads and processes."""
