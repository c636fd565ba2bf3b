"""What keeps failures small: pure functions over state, with the clock passed in."""
