"""DeepSeek is pure data: what of it others rely on."""

import pytest
from omniroute_deepseek import omniroute_providers
from omniroute_hooks import OPENAI_CHAT, Connection, QuotaExhausted, Target

[DEEPSEEK] = omniroute_providers()


def target(model_id):
    connection = Connection(id="c-1", provider="deepseek", name="test", credential={"api_key": "k"})
    return Target(DEEPSEEK, model_id, connection, DEEPSEEK.base_url, DEEPSEEK.model(model_id))


def test_models_of_the_guide_and_of_today_are_declared_under_ds():
    assert (DEEPSEEK.prefix, DEEPSEEK.dialect) == ("ds", OPENAI_CHAT)
    assert [model.id for model in DEEPSEEK.models] == [
        "deepseek-flash",
        "deepseek-v4-pro",
        "deepseek-chat",
        "deepseek-reasoner",
    ]


@pytest.mark.parametrize(
    ("model_id", "replays"),
    [("deepseek-flash", True), ("deepseek-v4-pro", True), ("deepseek-chat", False), ("deepseek-reasoner", False)],
)
def test_reasoning_goes_back_only_to_models_that_want_it(model_id, replays):
    assert target(model_id).option("replay_reasoning", False) is replays
    assert target(model_id).option("reasoning_field") == "reasoning_content"


def test_thinking_can_be_switched_off_where_the_model_thinks_by_default():
    thinks = DEEPSEEK.model("deepseek-flash").thinks

    assert thinks.style == "toggle"
    assert not thinks.always


def test_every_model_has_a_price():
    for model in DEEPSEEK.models:
        [price] = model.price
        assert price.cache_read_usd_per_1m < price.input_usd_per_1m < price.output_usd_per_1m


def test_an_empty_balance_is_no_fault_of_the_callers():
    [rule] = [rule for rule in DEEPSEEK.failures if rule.status == 402]

    assert rule.error is QuotaExhausted
    assert rule.error.blames == "connection"
