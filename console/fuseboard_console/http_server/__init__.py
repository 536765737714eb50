"""The HTTP server of `fuseboard serve`: who may ask, how much, and how errors are answered."""
