"""Plugins: found through entry points, each on its own feet, gathered into one frozen registry."""
