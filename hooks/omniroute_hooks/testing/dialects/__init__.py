"""The four dialects, spoken by hand: bodies and streams written from the vendors' references.

Nothing here knows how OmniRoute translates, so agreement means something.
"""
