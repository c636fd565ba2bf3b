"""The wire formats OmniRoute speaks, one module each."""
