"""The speakers by dialect id."""

from __future__ import annotations

from collections.abc import Mapping

from .dialects.anthropic import ANTHROPIC
from .dialects.gemini import GEMINI
from .dialects.openai_chat import OPENAI_CHAT
from .dialects.openai_responses import OPENAI_RESPONSES
from .speaker import Speaker

SPEAKERS: Mapping[str, Speaker] = {
    speaker.id: speaker for speaker in (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI)
}
