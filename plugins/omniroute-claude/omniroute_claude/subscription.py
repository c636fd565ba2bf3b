"""What a request needs so that Anthropic serves it from a subscription, and nothing beyond that.

Claude Code's own requests have it all and stay as they are.

Source: seen in Claude Code and in open clients that do the same; the vendor documents none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Target

Json = Any

OAUTH_BETA = "oauth-2025-04-20"
REQUIRED_BETAS = (OAUTH_BETA, "claude-code-20250219")

# Subscription logins are for Claude Code: a request whose system prompt does not begin with this line is refused.
IDENTITY = "You are Claude Code, Anthropic's official CLI for Claude."

# How the first system block of Claude Code's own requests may begin: the line itself, with more behind it when it
# runs inside the Agent SDK, the SDK's own line, or the line that attributes the bill.
_GENUINE = (
    IDENTITY.rstrip("."),
    "You are a Claude agent, built on Anthropic's Claude Agent SDK",
    "x-anthropic-billing-header:",
)


def headers_for(target: Target, caller: Mapping[str, str]) -> dict[str, str]:
    """The caller's headers with every beta flag once, the two a subscription needs included.

    Names come out in lower case: two spellings of one header would be joined on the way and refused.
    """
    headers = {name.lower(): value for name, value in caller.items() if name.lower() != "anthropic-beta"}
    asked = (value for name, value in caller.items() if name.lower() == "anthropic-beta")
    flags = [flag.strip() for value in asked for flag in value.split(",")]
    headers["anthropic-beta"] = ",".join(dict.fromkeys(flag for flag in (*flags, *REQUIRED_BETAS) if flag))
    return headers


def adapt(body: dict[str, Json], target: Target) -> dict[str, Json]:
    """The body with the identity line as its first system block; the same object where that is not needed."""
    system = body.get("system")
    if isinstance(system, str):
        if system.startswith(_GENUINE):
            return body
        blocks: list[Json] = [{"type": "text", "text": system}] if system.strip() else []
    elif isinstance(system, list):
        if system and isinstance(system[0], dict) and str(system[0].get("text", "")).startswith(_GENUINE):
            return body
        blocks = system
    else:
        blocks = []
    return {**body, "system": [{"type": "text", "text": IDENTITY}, *blocks]}
