"""All faults, in the order of the report."""

from __future__ import annotations

from faults.fault import Fault
from faults.faults_answers import ANSWERS, STREAMS
from faults.faults_limits import ACCOUNTS, FAILURES, LIMITS, REQUESTS
from faults.faults_network import NETWORK, SLOW

FAULTS: tuple[Fault, ...] = (*LIMITS, *ACCOUNTS, *REQUESTS, *FAILURES, *NETWORK, *SLOW, *ANSWERS, *STREAMS)
