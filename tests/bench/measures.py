"""What is measured: the loads, each made for any target, and the answers that count as complete."""

from __future__ import annotations

from typing import Any

import attrs

from tests.bench import canned
from tests.bench.load import Load

TARGETS = ("direct", "forwarder", "gateway")
PROMPT = [{"role": "user", "content": "Say something short about benchmarks, and mention nothing else."}]
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


@attrs.frozen
class Target:
    """Where requests go, and under which model names and headers."""

    name: str
    port: int
    prefix: str = ""  # before the model name
    headers: dict[str, str] = attrs.field(factory=lambda: {"Authorization": "Bearer sk-bench"}, repr=False)


@attrs.frozen
class Measure:
    """One row group of the table. `unit` is what the rate counts."""

    name: str
    title: str
    unit: str  # "requests" or "events"
    connections: int
    path: str = CHAT
    paced: bool = False
    targets: tuple[str, ...] = TARGETS


MEASURES = (
    Measure("json-1", "small JSON, 1 connection", "requests", 1),
    Measure("json-16", "small JSON, 16 connections", "requests", 16),
    Measure("json-64", "small JSON, 64 connections", "requests", 64),
    Measure("stream", "200-event streams, same dialect, 16 connections", "events", 16),
    Measure(
        "translated",
        "200-event streams, translated, 16 connections",
        "events",
        16,
        path=MESSAGES,
        targets=("forwarder", "gateway"),  # the upstream speaks one dialect only
    ),
    Measure("paced-256", f"256 streams of {canned.PACE_HZ} events/s each", "events", 256, paced=True),
)


def load(measure: Measure, target: Target, seconds: float, paced_s: int) -> Load:
    """The load of `measure` on `target`; `paced_s` is how long a paced stream lasts."""
    streaming = measure.unit == "events"
    model = f"paced-{paced_s}" if measure.paced else "test"
    body: dict[str, Any] = {"model": target.prefix + model, "max_tokens": 256, "messages": PROMPT}
    ending = "}"
    if streaming:
        body["stream"] = True
        ending = "[DONE]"
    if measure.path == MESSAGES:
        ending = "message_stop"
    elif streaming:
        body["stream_options"] = {"include_usage": True}
    events = paced_s * canned.PACE_HZ if measure.paced else canned.EVENTS
    return Load(
        port=target.port,
        path=measure.path,
        body=body,
        headers=target.headers,
        marks=canned.marks(events) if streaming else 1,
        ending=ending,
        connections=measure.connections,
        seconds=paced_s if measure.paced else seconds,
        paced=measure.paced,
    )
