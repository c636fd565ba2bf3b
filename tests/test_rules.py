"""The rules that keep the kernel small: imports point one way, and the core knows no vendor."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VENDORS = re.compile(
    r"\b(anthropic|claude|openai|chatgpt|codex|gemini|google|vertex|deepseek|copilot|kiro|qwen|groq|xai|grok|mistral|"
    r"cohere|perplexity|cerebras|deepgram|assemblyai|minimax|moonshot|kimi|zhipu|glm|nvidia|"
    r"openrouter|iflow|qoder)\b",
    re.IGNORECASE,
)


def modules(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py") if ".venv" not in p.parts and "build" not in p.parts)


def imports(path: Path) -> set[str]:
    """First words of everything a module imports; relative imports are its own package's."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def plugin_packages() -> set[str]:
    return {p.stem for p in (ROOT / "plugins").glob("*/omniroute_*")}


@pytest.mark.parametrize("path", modules("plugins"), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_plugin_imports_neither_the_core_nor_another_plugin(path: Path) -> None:
    own = next((part for part in path.parts if part.startswith("omniroute_")), "").removesuffix(".py")
    others = plugin_packages() - {own} if "test" not in path.name else set()

    assert not imports(path) & ({"core"} | others)


@pytest.mark.parametrize("path", modules("core"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_imports_no_plugin_and_names_no_vendor(path: Path) -> None:
    assert not imports(path) & plugin_packages()

    named = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if VENDORS.search(line)
    ]
    assert not named


@pytest.mark.parametrize("path", modules("hooks"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_contract_imports_neither_core_nor_plugins(path: Path) -> None:
    assert not imports(path) & ({"core"} | plugin_packages())
