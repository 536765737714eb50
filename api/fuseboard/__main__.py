"""`python -m fuseboard` is the command `fuseboard`."""

from fuseboard_console.cli.main import main

main()
