"""The console's pages, a module each: what stands between header and footer."""
