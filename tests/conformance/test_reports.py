"""The committed reports are what the tables and a run without failures amount to."""

from __future__ import annotations

import pytest
from conformance import report


@pytest.mark.parametrize(
    ("path", "made"), [(report.CONFORMANCE, report.conformance), (report.TRANSLATION, report.translation)]
)
def test_a_report_is_up_to_date(path, made):
    assert path.read_text() == made(), "run: python -m tests.conformance.report"
