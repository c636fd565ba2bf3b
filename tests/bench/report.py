"""The report: medians over the rounds, the issue's bounds with met or not met, and doubts about the measurement itself.

Ratios and differences are taken within each round and then the median of those, so that they can differ a
little from what dividing two printed medians gives.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import attrs

from tests.bench import proc
from tests.bench.measures import MEASURES, Measure
from tests.bench.run import Options, Results, Sample

LIBRARIES = ("hypercorn", "h11", "httpx", "aiohttp", "quart", "orjson", "uvloop")
NEAR_LIMIT = 0.9  # the measuring side, when it is busier than this, may be what was measured
STARVED = 0.85  # a server that many callers wait for and that is less busy than this did not get its core to itself
HEADROOM = 2.0  # direct must be this many times the forwarder


@attrs.frozen
class Bound:
    """One line of what must be reached. `value` is None where it was not measured."""

    name: str
    value: float | None
    limit: float
    at_least: bool
    unit: str

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def across(results: Results, measure: str, target: str, read: Callable[[Sample], float]) -> float | None:
    """The median over the rounds."""
    values = [read(sample) for sample in results.samples.get((measure, target), ())]
    return statistics.median(values) if values else None


def compared(
    results: Results,
    one: tuple[str, str],
    other: tuple[str, str],
    read: Callable[[Sample], float],
    how: Callable[[float, float], float],
) -> float | None:
    """The median over the rounds of `how(one, other)` within a round; None where either was not measured."""
    pairs = zip(results.samples.get(one, ()), results.samples.get(other, ()), strict=False)
    values = [how(read(a), read(b)) for a, b in pairs]
    return statistics.median(values) if values else None


def rate_of(measure: Measure) -> Callable[[Sample], float]:
    return (lambda s: s.outcome.events_per_s) if measure.unit == "events" else (lambda s: s.outcome.per_s)


def p50(sample: Sample) -> float:
    return sample.outcome.p50_ms


def p99(sample: Sample) -> float:
    return sample.outcome.p99_ms


def ratio(a: float, b: float) -> float:
    return a / b if b else 0.0


def minus(a: float, b: float) -> float:
    return a - b


def bounds(results: Results) -> list[Bound]:
    """The bounds, with what this run reached."""
    found: list[Bound] = []
    for measure in MEASURES:
        if measure.paced:
            continue
        value = compared(results, (measure.name, "gateway"), (measure.name, "forwarder"), rate_of(measure), ratio)
        name = f"{measure.title}: part of the bare forwarder's {measure.unit}/s"
        if measure.name == "translated":
            name = f"{measure.title}: part of the bare translator's events/s"
        found.append(Bound(name, share(value), 60, True, "%"))
    added = compared(results, ("json-1", "gateway"), ("json-1", "direct"), p50, minus)
    found.append(Bound("small JSON, 1 connection: added p50", added, 1, False, "ms"))
    slower = compared(results, ("paced-256", "gateway"), ("paced-256", "direct"), p50, ratio)
    found.append(Bound("256 paced streams: time to complete at p50, of direct's", share(slower), 105, False, "%"))
    footprint = results.footprints.get("gateway")
    rest = footprint.at_rest.worker_mb if footprint and footprint.at_rest else None
    found.append(Bound("memory of the worker at rest", rest, 120, False, "MB"))
    found.append(Bound("start to first answer", footprint.first_answer_s if footprint else None, 2, False, "s"))
    return found


def beside(results: Results) -> str:
    """What translation costs at all: events/s of translated streams as parts of those of bytes handed through."""
    gateway, bare = (
        compared(results, ("translated", name), ("stream", "forwarder"), lambda s: s.outcome.events_per_s, ratio)
        for name in ("gateway", "forwarder")
    )
    return (
        f"  Of handing bytes through, translation reaches {percent(gateway)} here, and {percent(bare)} with no gateway."
    )


def share(value: float | None) -> float | None:
    return None if value is None else value * 100


def doubts(results: Results) -> list[str]:
    """Reasons not to trust this run: a measuring side near its limit, or no headroom above the forwarder."""
    found = list(results.notes)
    shared = results.cores.upstream == results.cores.load and results.cores.load is not None
    for measure in MEASURES:
        for target in measure.targets:
            load_busy = across(results, measure.name, target, lambda s: s.outcome.busy)
            upstream_busy = across(results, measure.name, target, lambda s: s.upstream_busy)
            if load_busy is None or upstream_busy is None or target == "direct":
                continue
            busiest = load_busy + upstream_busy if shared else max(load_busy, upstream_busy)
            if busiest > NEAR_LIMIT:
                found.append(f"{measure.name}, {target}: upstream and load were near their limit ({busiest:.0%} busy)")
            server_busy = across(results, measure.name, target, lambda s: s.server_busy or 1.0)
            if not measure.paced and measure.connections > 1 and server_busy is not None and server_busy < STARVED:
                found.append(
                    f"{measure.name}, {target}: the server got only {server_busy:.0%} of a core; was the machine quiet?"
                )
        if measure.paced:
            continue
        headroom = compared(results, (measure.name, "direct"), (measure.name, "forwarder"), rate_of(measure), ratio)
        if headroom is not None and headroom < HEADROOM:
            found.append(f"{measure.name}: direct reaches only {headroom:.1f} times the forwarder's rate")
    return found


def text(results: Results, options: Options) -> str:
    """The whole report, for a terminal."""
    lines = [
        f"Python {platform.python_version()}, {options.rounds} rounds of {options.seconds:g} s, medians of the rounds.",
        f"Cores: {results.cores}.",
        f"Upstream and load run on {loop_name(results)}; {options.events_per_write} events go into one upstream write.",
        "",
        row("", "rate/s", "of forw.", "p50 ms", "p99 ms", "+p50 ms", "+p99 ms", "server", "upstream", "load"),
    ]
    for measure in MEASURES:
        lines.append(f"{measure.title} ({measure.unit}/s)")
        lines += [target_row(results, measure, target) for target in measure.targets]
    lines += ["", row("paced streams", "1st event", "gap p50", "gap p99", "of direct")]
    for target in ("direct", "forwarder", "gateway"):
        lines.append(paced_row(results, target))
    lines += ["", row("process", "1st answer", "at rest", "all", "after load", "all")]
    lines += [footprint_row(results, name) for name in ("forwarder", "gateway")]
    lines += ["", "To reach"]
    lines += [bound_line(bound) for bound in bounds(results)]
    lines.append(beside(results))
    if found := doubts(results):
        lines += ["", "Doubts", *(f"  {line}" for line in found)]
    return "\n".join(lines)


def target_row(results: Results, measure: Measure, target: str) -> str:
    key, direct = (measure.name, target), (measure.name, "direct")
    return row(
        f"  {target}",
        number(across(results, *key, rate_of(measure)), 0),
        percent(compared(results, key, (measure.name, "forwarder"), rate_of(measure), ratio)),
        number(across(results, *key, p50), 2),
        number(across(results, *key, p99), 2),
        number(compared(results, key, direct, p50, minus), 2),
        number(compared(results, key, direct, p99, minus), 2),
        "-" if target == "direct" else percent(across(results, *key, lambda s: s.server_busy or 0.0)),
        percent(across(results, *key, lambda s: s.upstream_busy)),
        percent(across(results, *key, lambda s: s.outcome.busy)),
    )


def paced_row(results: Results, target: str) -> str:
    key = ("paced-256", target)
    return row(
        f"  {target}",
        number(across(results, *key, lambda s: s.outcome.first_event_p50_ms), 1, " ms"),
        number(across(results, *key, lambda s: s.outcome.gap_p50_ms), 2, " ms"),
        number(across(results, *key, lambda s: s.outcome.gap_p99_ms), 2, " ms"),
        percent(compared(results, key, ("paced-256", "direct"), p50, ratio), 1),
    )


def footprint_row(results: Results, name: str) -> str:
    footprint = results.footprints.get(name)
    if footprint is None:
        return row(f"  {name}", "-", "-", "-", "-", "-")
    return row(
        f"  {name}",
        f"{footprint.first_answer_s:.2f} s",
        *megabytes(footprint.at_rest),
        *megabytes(footprint.after_load),
    )


def megabytes(memory: proc.Memory | None) -> tuple[str, str]:
    return ("-", "-") if memory is None else (f"{memory.worker_mb:.0f} MB", f"{memory.all_mb:.0f} MB")


def bound_line(bound: Bound) -> str:
    verdict = {True: "met", False: "NOT MET", None: "not measured"}[bound.met]
    reached = "-" if bound.value is None else f"{bound.value:.2f} {bound.unit}"
    sign = ">=" if bound.at_least else "<="
    return f"  {verdict:<13}{reached:>11}  ({sign} {bound.limit:g} {bound.unit})  {bound.name}"


def loop_name(results: Results) -> str:
    return next((samples[0].outcome.loop for samples in results.samples.values()), "nothing")


def row(*cells: str) -> str:
    first, *others = cells
    return f"{first:<16}" + "".join(f"{cell:>11}" for cell in others)


def number(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def percent(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}%}"


def as_json(results: Results, options: Options) -> dict[str, Any]:
    """The whole report as plain values, every round included."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: installed(name) for name in LIBRARIES},
        "options": attrs.asdict(options),
        "cores": str(results.cores),
        "loop": loop_name(results),
        "rounds": {
            f"{measure} {target}": [attrs.asdict(sample) for sample in samples]
            for (measure, target), samples in results.samples.items()
        },
        "footprints": {name: attrs.asdict(footprint) for name, footprint in results.footprints.items()},
        "bounds": [{**attrs.asdict(bound), "met": bound.met} for bound in bounds(results)],
        "doubts": doubts(results),
    }


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
