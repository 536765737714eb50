"""`python -m fuseboard_console` is `fuseboard`."""

from fuseboard_console.cli.entry import main

main()
