"""Reading documents (TOML, YAML) and saying what is wrong with them."""
