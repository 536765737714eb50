"""The actions of `fuseboard scenario` that are long enough for a module of their own."""
