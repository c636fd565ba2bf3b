"""Latency-aware: who is likely to answer soonest, and a look now and then at those who were slow.

Without that look a candidate that was slow once would be slow for ever, since only those who are called are measured.
"""

from collections.abc import Sequence
from typing import Any

from omniroute_hooks import Candidate, Round, Strategy, hookimpl
from omniroute_hooks.strategy import by_readiness

AS_GOOD_AS = 1.2  # who is within 20 % of the fastest shares the load with it: means differ by that much by chance
LOOK_EVERY = 20  # choices; at most this one in so many is spent on measuring again
OLD_AFTER_S = 60.0
FEW_FAILURES = 0.05


def soonest_answer_first(candidates: Sequence[Candidate], choice: Round) -> list[Candidate]:
    """Who is to be measured; then those as good as the fastest, the fewest requests in flight first; then the slower
    ones, those without a measure, and those who rest."""
    ready, resting = by_readiness(candidates)
    measured = [(_ms_to_an_answer(c, c.latency_ms), c) for c in ready if c.latency_ms is not None]
    unmeasured = [c for c in ready if c.latency_ms is None]
    near_ms = AS_GOOD_AS * min((ms for ms, _ in measured), default=0.0)
    near = [(c.in_flight, ms, c.position, c) for ms, c in measured if ms <= near_ms]
    slow = [(ms, c.in_flight, c.position, c) for ms, c in measured if not ms <= near_ms]
    ordered = [
        *(entry[-1] for entry in sorted(near, key=lambda entry: entry[:-1])),
        *(entry[-1] for entry in sorted(slow, key=lambda entry: entry[:-1])),
        *sorted(unmeasured, key=lambda c: (c.in_flight, c.position)),
    ]
    memory = choice.memory.setdefault("latency-aware", {"waited": 0, "tried": {}, "most": 0})
    memory["most"] = max(memory["most"], len(candidates))
    chosen = _unknown(unmeasured, memory, choice.now_s) or _oldest(ordered, memory, choice.now_s)
    if chosen is not None:
        ordered.remove(chosen)
        ordered.insert(0, chosen)
    return [*ordered, *resting]


def _ms_to_an_answer(candidate: Candidate, latency_ms: float) -> float:
    """Its mean, times the tries that an answer takes of late: who fails fast is not fast."""
    return latency_ms / max(FEW_FAILURES, 1 - candidate.failure_rate)


def _unknown(unmeasured: Sequence[Candidate], memory: dict[str, Any], now_s: float) -> Candidate | None:
    """One who has no measure yet and no failures that explain why. Each is tried once a minute at most: until its
    answer is there, all others would rush to it too."""
    tried: dict[str, float] = memory["tried"]  # key -> when, the latest at the end
    while tried and (now_s - next(iter(tried.values())) > OLD_AFTER_S or len(tried) > 2 * memory["most"]):
        del tried[next(iter(tried))]
    new = (c for c in unmeasured if c.key not in tried and c.failure_rate < FEW_FAILURES)
    chosen = min(new, key=lambda c: (c.in_flight, c.position), default=None)
    if chosen is not None:
        tried[chosen.key] = now_s
    return chosen


def _oldest(ready: Sequence[Candidate], memory: dict[str, Any], now_s: float) -> Candidate | None:
    """Now and then, the idle one that was used longest ago, since its measure is as old at least."""
    memory["waited"] += 1
    if memory["waited"] < LOOK_EVERY:
        return None
    oldest = min((c for c in ready if c.in_flight == 0), key=lambda c: (_last_s(c), c.position), default=None)
    if oldest is None or now_s - _last_s(oldest) <= OLD_AFTER_S:
        return None
    memory["waited"] = 0
    return oldest


def _last_s(candidate: Candidate) -> float:
    return float("-inf") if candidate.last_used_s is None else candidate.last_used_s


LATENCY_AWARE = Strategy(
    id="latency-aware",
    name="Latency aware",
    description="Tries whoever is likely to answer soonest, and measures the others again now and then.",
    order=soonest_answer_first,
)


@hookimpl
def omniroute_strategies() -> list[Strategy]:
    return [LATENCY_AWARE]
