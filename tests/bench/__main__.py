"""The command: `python -m tests.bench`, from the root of the checkout."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from tests.bench import report
from tests.bench.measures import TARGETS
from tests.bench.run import BrokenRun, Options, run


def main() -> int:
    """Exit status: 0 measured, 1 a bound was not met and `--check` was given, 2 the run broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the gateway. See README.md.")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s: a look, not a measurement")
    parser.add_argument("--rounds", type=int, help="how many (5)")
    parser.add_argument("--seconds", type=float, help="how long each load of a round lasts (3)")
    parser.add_argument("--paced-seconds", type=int, help="how long each paced stream lasts (5)")
    parser.add_argument("--starts", type=int, help="how often the start is timed (3)")
    parser.add_argument(
        "--target",
        choices=TARGETS,
        action="append",
        help="measure only these (all); may be given twice; direct is always measured",
    )
    parser.add_argument("--events-per-write", type=int, default=10, help="of an unpaced stream, by the upstream (10)")
    parser.add_argument("--no-pin", action="store_true", help="do not tie processes to cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bound is not met")
    given = parser.parse_args()
    options = Options(
        targets=tuple(given.target or TARGETS),
        rounds=given.rounds or (2 if given.quick else 5),
        seconds=given.seconds or (1.0 if given.quick else 3.0),
        paced_s=given.paced_seconds or (3 if given.quick else 5),
        starts=given.starts or (1 if given.quick else 3),
        events_per_write=given.events_per_write,
        pin=not given.no_pin,
    )
    # Stop the servers on SIGTERM too: they have sessions of their own and would stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        results = run(options)
    except (BrokenRun, RuntimeError) as broken:
        print(f"the run broke: {broken}", file=sys.stderr)
        return 2
    print(report.text(results, options))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(results, options), indent=1) + "\n")
    missed = any(bound.met is False for bound in report.bounds(results))
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
