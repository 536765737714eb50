"""`python -m fuseboard` is the command `fuseboard`."""

from fuseboard_console.cli.entry import main

main()
