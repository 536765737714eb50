"""The Textual console, the command line and the HTTP API. They read recordings and send operators' commands."""
