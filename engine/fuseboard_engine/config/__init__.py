"""Configuration: one TOML or YAML file and environment variables for a whole engine.

`load_config` reads and checks, `build` makes an engine of it, `apply` changes a running one, `watch_config` does so
whenever the file changes.
"""
