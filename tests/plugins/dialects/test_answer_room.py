"""A caller may allow longer answers than a model gives: what it allows is lowered, not refused."""

import pytest
from anthropic_cases import target
from omniroute_dialects import anthropic, gemini, openai_chat, openai_responses
from omniroute_hooks import Conversation, Model, Text, Turn

FIELDS = {
    "anthropic": (anthropic.DIALECT, lambda body: body["max_tokens"]),
    "gemini": (gemini.DIALECT, lambda body: body["generationConfig"]["maxOutputTokens"]),
    "openai-chat": (openai_chat.DIALECT, lambda body: body["max_tokens"]),
    "openai-responses": (openai_responses.DIALECT, lambda body: body["max_output_tokens"]),
}


@pytest.mark.parametrize("dialect", FIELDS)
@pytest.mark.parametrize(
    ("allowed", "gives", "sent"), [(32_000, 8192, 8192), (8192, 8192, 8192), (100, 8192, 100), (32_000, None, 32_000)]
)
def test_no_more_is_asked_for_than_the_model_gives(dialect, allowed, gives, sent):
    rendering, field = FIELDS[dialect]
    conversation = Conversation(
        model="m", turns=(Turn("user", (Text("hi"),)),), dialect="somebody-else", max_tokens=allowed
    )

    rendered = rendering.render_request(conversation, target(spec=Model("m", max_output=gives)), False)

    assert field(rendered.body) == sent
    assert ("max_tokens" in [loss.field for loss in rendered.losses]) == (sent != allowed)
