"""The committed report is what the catalogue and a run without failures amount to, and the catalogue is one."""

from __future__ import annotations

from faults import report
from faults.catalogue import FAULTS


def test_the_report_is_up_to_date() -> None:
    assert report.FILE.read_text() == report.report(), "run: python -m tests.faults.report"


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.slug for fault in FAULTS}) == len(FAULTS) >= 30
