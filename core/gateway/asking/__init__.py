"""Candidates asked one after another until one has answered: the request on its way out, and its failures."""
