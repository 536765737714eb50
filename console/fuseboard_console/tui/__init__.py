"""What every screen of the console shares."""
