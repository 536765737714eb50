"""What surrounds a page: header, footer, banner, help."""
