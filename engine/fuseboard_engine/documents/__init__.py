"""Documents that people write (TOML, YAML): reading, validation, and error messages with line numbers."""
