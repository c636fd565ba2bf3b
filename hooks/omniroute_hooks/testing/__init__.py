"""A test kit for plugin authors, and for OmniRoute itself: ``pip install 'omniroute-hooks[testing]'``.

Nothing here is imported when the gateway runs. What needs pytest (`matrix`, `contract`) is imported by name.
"""

from .client import converse
from .neutral import Ask, Call, Heard, Result, Say, Tokens, ToolSpec, Turn, assistant, user
from .rawserver import raw_server
from .scripted import Reply, Request, ScriptedUpstream
from .serving import Served, serving
from .speaker import Speaker
from .speakers import SPEAKERS

__all__ = [
    "SPEAKERS",
    "Ask",
    "Call",
    "Heard",
    "Reply",
    "Request",
    "Result",
    "Say",
    "ScriptedUpstream",
    "Served",
    "Speaker",
    "Tokens",
    "ToolSpec",
    "Turn",
    "assistant",
    "converse",
    "raw_server",
    "serving",
    "user",
]
