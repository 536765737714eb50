"""`python -m fuseboard_console` is `fuseboard`."""

from fuseboard_console.cli.main import main

main()
