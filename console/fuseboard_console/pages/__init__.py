"""The console's pages, one module each: the part of the screen between header and footer."""
