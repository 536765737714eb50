"""Dead letters as rows and text."""
