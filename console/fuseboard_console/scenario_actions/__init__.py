"""What the actions of `fuseboard scenario` do: finding files, a new one, one from a recording, runs in virtual time."""
