"""Faults on the way to a provider: names, ports, TLS, and connections that break or fall silent before an answer."""

from __future__ import annotations

from functools import partial

from faults.behaviours import beats_on, drips_body, drips_head, head, only_beats, pauses_before, redirects, says, sends
from faults.ends import broken, ends, error
from faults.fault import SOON_MS, Fault, Place

SSE_HEAD = head(200, "text/event-stream")

way = partial(Fault, group="On the way", alone=error("upstream"), asked=2)
slow = partial(
    Fault, group="Too slow", alone=error("timeout"), limits={"firstTokenMs": SOON_MS, "totalMs": 3 * SOON_MS}
)

NETWORK = (
    way(name="an unknown host", does="its name cannot be resolved", at=Place.UNKNOWN_NAME, asked=0),
    way(name="a closed port", does="its machine refuses the connection", at=Place.REFUSING, asked=0),
    way(name="an untrusted certificate", does="nobody vouches for its certificate", at=Place.UNTRUSTED, asked=0),
    way(name="no TLS", does="it does not speak TLS", at=Place.NO_TLS, asked=0),
    way(name="a hang-up", does="it closes the connection instead of answering", behaviour=says(b"")),
    way(name="a reset before headers", does="it resets the connection", behaviour=says(b"", "reset")),
    way(name="no HTTP", does="it answers with something else than HTTP", behaviour=says(b"+OK ready\r\n\r\n")),
    way(name="half a head", does="it closes within its headers", behaviour=says(b"HTTP/1.1 200 OK\r\nconte")),
    way(
        name="a huge header",
        does="it sends a header of 200 kB",
        behaviour=sends(b"{}", x_filler="x" * 200_000),
    ),
    way(
        name="a redirect",
        does="302 to another address, where nobody goes",
        behaviour=redirects,
    ),
    way(
        name="a reset behind the headers",
        does="headers, then a reset",
        behaviour=says(SSE_HEAD, "reset"),
    ),
)

SLOW = (
    slow(name="silence", does="it takes the request and says nothing", behaviour=says(b"", "silence")),
    slow(name="a slow first word", does="headers, then nothing", behaviour=says(SSE_HEAD, "silence")),
    slow(name="a head that drips", does="a byte of its headers now and then", behaviour=drips_head),
    slow(
        name="a body that drips",
        does="a byte of its answer now and then",
        behaviour=drips_body,
        limits={"totalMs": SOON_MS},
    ),
    slow(
        name="heartbeats only",
        does="a stream of heartbeats without a word",
        behaviour=only_beats,
        stream_only=True,
    ),
    slow(
        name="silence after an empty piece",
        does="the empty first piece of a stream, then nothing",
        behaviour=pauses_before(b"quick"),
        stream_only=True,
        limits={"idleMs": SOON_MS},
        alone=ends(error("timeout"), broken("timeout")),
    ),
    slow(
        name="heartbeats instead of an end",
        does="the first words of a stream, then heartbeats",
        behaviour=beats_on,
        stream_only=True,
        limits={"idleMs": SOON_MS, "totalMs": 2 * SOON_MS},
        alone=ends(error("timeout"), broken("timeout")),
    ),
    slow(
        name="a TLS handshake without an end",
        does="it takes the connection and never gets through its TLS handshake",
        at=Place.STUCK_TLS,
        limits={"connectMs": SOON_MS},
        asked=0,
    ),
    slow(
        name="silence with a total only",
        does="it takes the request and says nothing; the combo limits the whole answer only",
        behaviour=says(b"", "silence"),
        limits={"totalMs": SOON_MS},
    ),
)
