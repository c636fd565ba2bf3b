"""Example: models that speak the OpenAI chat dialect. Say here who the vendor is and how it is paid."""

from omniroute_hooks import OPENAI_CHAT, ApiKey, Model, Price, Provider, hookimpl

EXAMPLE = Provider(
    id="template",  # change: a word for the vendor, unique among all plugins
    prefix="template",  # change: what stands before the slash, as in template/example-model
    base_url="https://api.example.com/v1",  # change: the vendor's address up to /chat/completions
    dialect=OPENAI_CHAT,  # or ANTHROPIC, GEMINI, OPENAI_RESPONSES
    auth=ApiKey(),  # "Authorization: Bearer <key>"; another header: ApiKey(header="x-api-key", scheme=None)
    models=(Model("example-model", context=128_000, price=(Price(input_usd_per_1m=1, output_usd_per_1m=2),)),),
)


@hookimpl
def omniroute_providers() -> list[Provider]:
    return [EXAMPLE]
