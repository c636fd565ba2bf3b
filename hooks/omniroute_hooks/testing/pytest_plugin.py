"""pytest for plugin authors: ``pytest --omniroute-plugin <entry point or module>`` holds a plugin to the contract.

Each check is an item of its own. Without the option nothing is collected. The fixture ``scripted_upstream``
is a provider to script, served on a free local port.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .contract import Check
    from .scripted import ScriptedUpstream

_fixture: Any = pytest.fixture
try:
    import pytest_asyncio
except ImportError:
    pass  # a project that has the contract beside it, but tests something else
else:
    _fixture = pytest_asyncio.fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("omniroute").addoption(
        "--omniroute-plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="check this OmniRoute plugin (an entry point's or module's name) against the contract; repeatable",
    )


@pytest.hookimpl(tryfirst=True)  # before -k and the like have their say
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    for name in config.getoption("--omniroute-plugin"):
        collector = PluginContract.from_parent(session, name=name, nodeid=f"omniroute-plugin::{name}")
        items.extend(collector.collect())


class PluginContract(pytest.Collector):
    """The checks of one plugin."""

    def collect(self) -> Iterator[pytest.Item]:
        from .contract import checks, find_plugin

        try:
            plugin = find_plugin(self.name)
        except ImportError as exc:
            raise pytest.UsageError(f"--omniroute-plugin {self.name}: {exc}") from exc
        for item in checks(plugin):
            yield ContractItem.from_parent(self, name=item.name, check=item)


class ContractItem(pytest.Item):
    """One check."""

    def __init__(self, *, check: Check, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self._check = check

    def runtest(self) -> None:
        self._check.run()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The complaint alone; anything but a complaint with its traceback."""
        if isinstance(excinfo.value, AssertionError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[str, None, str]:
        return "omniroute contract", None, self.name


@_fixture  # type: ignore[untyped-decorator]
async def scripted_upstream() -> AsyncIterator[ScriptedUpstream]:
    """A provider we script, served in this process: ``scripted_upstream.url``, ``.reply(…)``, ``.requests``."""
    from .scripted import ScriptedUpstream
    from .serving import serving

    async with serving(ScriptedUpstream()) as upstream:
        yield upstream
