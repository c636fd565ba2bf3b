"""Latency: how long each provider has taken lately, and how often it failed. A bounded number of samples each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence

from attrs import frozen

WINDOW_S = 15 * 60.0
MOST_SAMPLES = 1024  # of one provider


@frozen
class Sample:
    """One attempt. ``ms`` until its end, ``first_ms`` until the first word, None where there was none."""

    at_s: float
    ms: float
    first_ms: float | None
    ok: bool


@frozen
class Spread:
    """Milliseconds over ``count`` samples; None without any."""

    count: int
    avg: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@frozen
class Latency:
    """Of one provider, or of all. ``whole`` and ``first`` are over answers only, since failures are often quick."""

    attempts: int
    failures: int
    whole: Spread
    first: Spread

    @property
    def error_rate(self) -> float:
        """0 to 1."""
        return self.failures / self.attempts if self.attempts else 0.0


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` (0..1) of all do not exceed: always one that was measured."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Iterable[float]) -> Spread:
    """What they amount to."""
    ordered = sorted(values)
    if not ordered:
        return Spread(0)
    return Spread(
        len(ordered),
        sum(ordered) / len(ordered),
        percentile(ordered, 0.5),
        percentile(ordered, 0.95),
        percentile(ordered, 0.99),
    )


def summed_up(samples: Iterable[Sample]) -> Latency:
    """What some samples amount to."""
    samples = list(samples)
    good = [sample for sample in samples if sample.ok]
    return Latency(
        len(samples),
        len(samples) - len(good),
        spread(sample.ms for sample in good),
        spread(sample.first_ms for sample in good if sample.first_ms is not None),
    )


class Latencies:
    """The last samples of every provider."""

    def __init__(self, most: int = MOST_SAMPLES, window_s: float = WINDOW_S) -> None:
        self._by_provider: dict[str, deque[Sample]] = {}
        self._most = most
        self.window_s = window_s

    def note(self, provider_id: str, sample: Sample) -> None:
        """One attempt is over."""
        samples = self._by_provider.get(provider_id)
        if samples is None:
            samples = self._by_provider[provider_id] = deque(maxlen=self._most)
        samples.append(sample)

    def recent(self, now_s: float) -> Mapping[str, list[Sample]]:
        """What lies within the window, by provider; none without a sample."""
        since_s = now_s - self.window_s
        found = {id_: [s for s in samples if s.at_s >= since_s] for id_, samples in self._by_provider.items()}
        return {id_: samples for id_, samples in found.items() if samples}

    def keep_only(self, providers: Container[str]) -> None:
        """Forgets providers that are gone."""
        self._by_provider = {id_: samples for id_, samples in self._by_provider.items() if id_ in providers}
