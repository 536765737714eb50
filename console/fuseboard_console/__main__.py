"""`python -m fuseboard_console` is `fuseboard`."""

from fuseboard_console.cli import main

main()
