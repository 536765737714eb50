"""Pure views: a Board and a time in, frozen lines out. Nothing here knows Textual."""
