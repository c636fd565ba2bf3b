"""What a model's name means: the configuration as the hot path reads it, aliases, combos, and plans made of them."""
