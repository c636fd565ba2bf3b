"""The policy: its defaults, strict on the way in, tolerant of what was stored long ago."""

import pytest
from omniroute_hooks import BadRequest

from core.resilience.policy import as_json, changed, policy_of

DEFAULTS = {
    "requestQueue": {
        "requestsPerMinute": None,
        "minTimeBetweenRequestsMs": 0,
        "concurrentRequests": None,
        "maxWaitMs": 30000,
        "maxQueued": 1000,
    },
    "connectionCooldown": {
        "oauth": {"baseCooldownMs": 5000, "useUpstreamRetryHints": True, "maxBackoffSteps": 8},
        "apikey": {"baseCooldownMs": 3000, "useUpstreamRetryHints": True, "maxBackoffSteps": 5},
    },
    "providerBreaker": {
        "oauth": {"failureThreshold": 8, "resetTimeoutMs": 60000},
        "apikey": {"failureThreshold": 12, "resetTimeoutMs": 30000},
    },
    "waitForCooldown": {"enabled": True, "maxRetries": 3, "maxRetryWaitSec": 30},
}


def test_defaults():
    assert as_json(policy_of(None)) == DEFAULTS
    policy = policy_of({})
    assert policy.resting("none") == policy.resting("apikey") != policy.resting("oauth")
    assert policy.breaking("none") == policy.breaking("apikey") != policy.breaking("oauth")


def test_change_merges_however_deep_and_keeps_only_what_was_changed():
    policy, kept = changed(None, {"connectionCooldown": {"oauth": {"maxBackoffSteps": 2}}})
    assert kept == {"connectionCooldown": {"oauth": {"maxBackoffSteps": 2}}}
    assert policy == policy_of(kept)
    policy, kept = changed(kept, {"connectionCooldown": {"oauth": {"baseCooldownMs": 100}}, "requestQueue": {}})
    shown = as_json(policy)
    assert shown["connectionCooldown"]["oauth"] == {
        "baseCooldownMs": 100,
        "useUpstreamRetryHints": True,
        "maxBackoffSteps": 2,
    }
    assert {**shown, "connectionCooldown": None} == {**DEFAULTS, "connectionCooldown": None}
    policy, kept = changed(kept, {"requestQueue": {"requestsPerMinute": 7}})
    policy, kept = changed(kept, {"requestQueue": {"requestsPerMinute": None}})
    assert policy.request_queue.requests_per_minute is None


@pytest.mark.parametrize(
    ("sent", "path", "says"),
    [
        ({"requestQueue": {"requestsPerMinute": 0}}, "requestQueue.requestsPerMinute", "from 1"),
        ({"requestQueue": {"requestsPerMinute": "9"}}, "requestQueue.requestsPerMinute", "not a string"),
        ({"requestQueue": {"concurrentRequests": 0}}, "requestQueue.concurrentRequests", "from 1"),
        ({"requestQueue": {"minTimeBetweenRequestsMs": -1}}, "requestQueue.minTimeBetweenRequestsMs", "from 0"),
        ({"requestQueue": {"minTimeBetweenRequestsMs": None}}, "requestQueue.minTimeBetweenRequestsMs", "not null"),
        ({"requestQueue": {"maxWaitMs": 1.5}}, "requestQueue.maxWaitMs", "whole number"),
        (
            {"requestQueue": {"autoEnableApiKeyProviders": True}},
            "requestQueue.autoEnableApiKeyProviders",
            "not a field",
        ),
        ({"requestQueue": None}, "requestQueue", "an object"),
        ({"requestQueue": []}, "requestQueue", "an object"),
        (
            {"connectionCooldown": {"oauth": {"maxBackoffSteps": 33}}},
            "connectionCooldown.oauth.maxBackoffSteps",
            "to 32",
        ),
        ({"connectionCooldown": {"oauth": 5}}, "connectionCooldown.oauth", "an object"),
        ({"connectionCooldown": {"none": {}}}, "connectionCooldown.none", "not a field"),
        (
            {"connectionCooldown": {"apikey": {"useUpstreamRetryHints": "false"}}},
            "connectionCooldown.apikey.useUpstreamRetryHints",
            "true or false",
        ),
        ({"providerBreaker": {"apikey": {"failureThreshold": 0}}}, "providerBreaker.apikey.failureThreshold", "from 1"),
        ({"waitForCooldown": {"maxRetries": 11}}, "waitForCooldown.maxRetries", "to 10"),
        ({"waitForCooldown": {"maxRetryWaitSec": 301}}, "waitForCooldown.maxRetryWaitSec", "to 300"),
        ({"legacy": {}}, "legacy", "not a field"),
    ],
)
def test_wrong_field_is_named_by_its_whole_path(sent, path, says):
    with pytest.raises(BadRequest) as caught:
        changed({"requestQueue": {"maxWaitMs": 5}}, sent)
    assert [problem.path for problem in caught.value.details] == [path]
    assert says in caught.value.details[0].problem


def test_every_wrong_field_is_listed():
    sent = {
        "requestQueue": {"requestsPerMinute": 0, "x": 1},
        "providerBreaker": {"oauth": {"failureThreshold": 0, "resetTimeoutMs": True}},
        "y": 1,
    }
    with pytest.raises(BadRequest) as caught:
        changed(None, sent)
    assert {problem.path for problem in caught.value.details} == {
        "y",
        "requestQueue.x",
        "requestQueue.requestsPerMinute",
        "providerBreaker.oauth.failureThreshold",
        "providerBreaker.oauth.resetTimeoutMs",
    }


def test_stored_values_that_no_longer_fit_count_as_unset():
    stored = {
        "requestQueue": {"requestsPerMinute": 0, "maxWaitMs": 7, "gone": 1},
        "connectionCooldown": {"oauth": [], "apikey": {"baseCooldownMs": "3"}},
        "providerBreaker": 4,
        "legacy": {},
    }
    shown = as_json(policy_of(stored))
    assert shown == {**DEFAULTS, "requestQueue": {**DEFAULTS["requestQueue"], "maxWaitMs": 7}}
    policy, _ = changed(stored, {"waitForCooldown": {"enabled": False}})  # and are in nobody's way
    assert policy.request_queue.max_wait_ms == 7
    assert policy_of([1]) == policy_of(None)
