"""The commands, one file each; `fuseboard_console.cli.main` says what such a file gives."""
