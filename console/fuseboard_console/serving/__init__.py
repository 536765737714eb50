"""The HTTP API on a recording: health to read for anyone on this host, resets for who has the token."""
