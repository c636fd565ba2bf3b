"""Characters that some clients take for the end of a line, although server-sent events know three others only.

Python's ``str.splitlines``, and with it httpx's ``iter_lines``, splits at them, and tears the JSON of an event.
"""

from __future__ import annotations

_SEPARATORS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


def line_safe(events: bytes) -> bytes:
    """Events whose data is JSON, with those characters escaped: they stand in nothing but strings."""
    if events.isascii():
        return events
    for separator, escaped in _SEPARATORS:
        if separator in events:
            events = events.replace(separator, escaped)
    return events
