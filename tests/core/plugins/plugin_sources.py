"""Sources of plugins made on the spot."""

from __future__ import annotations

PROVIDER = """
from omniroute_hooks import OPENAI_CHAT, Model, Provider, hookimpl

@hookimpl
def omniroute_providers():
    return [Provider(id="{id}", prefix="{prefix}", base_url="https://api.example.com", dialect={dialect},
                     models=(Model("m"),))]
"""


def provider(id: str, prefix: str | None = None, dialect: str = "OPENAI_CHAT") -> str:
    """The source of a plugin that declares one provider."""
    return PROVIDER.format(id=id, prefix=prefix or id, dialect=dialect)
