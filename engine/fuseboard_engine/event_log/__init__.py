"""Events as lines of the standard log, and secrets kept out of them."""
