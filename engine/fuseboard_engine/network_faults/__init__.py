"""Network faults on real connections: their table, what they do to data on its way, and the TCP proxy that has them."""
