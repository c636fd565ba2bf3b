"""A simulator: what a strategy does with thousands of requests, under a clock that nobody waits for.

    python -m omniroute_hooks.testing.simulate round-robin --requests 10000 --candidates 3
    python -m omniroute_hooks.testing.simulate p2c --callers 200 --latencies 200,200,800 --down 1=60:300

Candidates fail, rest for a while as the gateway lets them, and return; callers take the order as it comes and move on
in it. Same arguments, same result. Times are seconds from 0, the start.
"""

from .command import installed, main
from .game import Call, Played, simulate
from .players import Player

__all__ = ["Call", "Played", "Player", "installed", "main", "simulate"]
