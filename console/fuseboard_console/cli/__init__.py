"""The command line: parsing, output, exit codes."""
