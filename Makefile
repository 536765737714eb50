# The checks of tools/check.py, by name: `make lint types`. Without make: `python3 tools/check.py lint types`.
CHECKS := venv test lint format types coverage docs package bench check ci
.PHONY: help $(CHECKS)

help:
	@python3 tools/check.py

$(CHECKS):
	@python3 tools/check.py $@
