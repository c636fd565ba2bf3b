"""A client's attribution line: the first system block by which one vendor's own client programs name themselves.

It changes with every request, so for any other vendor it would ruin the prompt cache. The dialect that reads
it marks the part; the renderers of other dialects leave marked parts out. Nobody ever makes one up.

Source: docs/translation.md, "Roles and system text".
"""

from __future__ import annotations

from collections.abc import Iterable

from omniroute_hooks import ANTHROPIC, Part, Text

_PREFIX = "x-anthropic-billing-header:"
MARK = "attribution"


def is_attribution(text: str) -> bool:
    """Whether this text of a system block is such a line."""
    return text.startswith(_PREFIX)


def is_marked(part: Part) -> bool:
    """Whether a dialect has marked this part as such a line."""
    return isinstance(part, Text) and bool(part.ext) and bool((part.ext.get(ANTHROPIC) or {}).get(MARK))


def without_attribution(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts that are not marked, for a target of another vendor."""
    return tuple(part for part in parts if not is_marked(part))
