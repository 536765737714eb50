"""The commands, one file each; `fuseboard_console.cli` says what such a file gives."""
