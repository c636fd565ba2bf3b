"""Scripted models: servers that speak one provider dialect each and play the same plan in all of them."""
