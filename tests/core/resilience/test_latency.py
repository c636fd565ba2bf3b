"""Latencies: percentiles are measured values, failures count apart, and nothing grows without end."""

import pytest

from core.resilience.latency import Latencies, Sample, percentile, spread, summed_up


@pytest.mark.parametrize(
    ("values", "p50", "p95", "p99"),
    [
        pytest.param([5], 5, 5, 5, id="one"),
        pytest.param([1, 2], 1, 2, 2, id="two"),
        pytest.param(list(range(1, 101)), 50, 95, 99, id="a-hundred"),
        pytest.param([1] * 98 + [1000] * 2, 1, 1, 1000, id="a-slow-few"),
    ],
)
def test_percentiles(values, p50, p95, p99):
    found = spread(reversed(values))
    assert (found.count, found.p50, found.p95, found.p99) == (len(values), p50, p95, p99)
    assert percentile([3.0, 4.0], 0.0) == 3.0


def test_failures_count_and_do_not_make_a_provider_look_fast():
    found = summed_up([Sample(0, 900.0, 200.0, True), Sample(0, 1100.0, None, True), Sample(0, 1.0, None, False)])
    assert (found.attempts, found.failures, found.error_rate) == (3, 1, pytest.approx(1 / 3))
    assert (found.whole.count, found.whole.avg, found.first.count, found.first.p99) == (2, 1000.0, 1, 200.0)
    assert summed_up([]).error_rate == 0.0
    assert summed_up([]).whole.p50 is None


def test_only_recent_samples_count_and_only_so_many_are_kept():
    latencies = Latencies(most=10, window_s=60.0)
    for second in range(100):
        latencies.note("a", Sample(second, second, None, True))
    latencies.note("b", Sample(1.0, 1.0, None, True))
    assert [sample.at_s for sample in latencies.recent(99.0)["a"]] == list(range(90, 100))
    assert "b" not in latencies.recent(99.0)
    assert len(latencies.recent(155.0)["a"]) == 5
    latencies.keep_only({"b"})
    assert set(latencies.recent(60.0)) == {"b"}
