"""The surroundings of a page: header, footer, banner, help."""
