"""Configuration of a whole engine: one TOML or YAML file and environment variables.

`load_config` reads and validates, `build` creates an engine, `apply` changes a running one, `watch_config` applies the
file whenever it changes.
"""
