"""The ``omniroute`` program. Without a command it serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import webbrowser
from typing import Any

import click
from attrs import evolve
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.utils import LifespanFailureError

from core import __version__, connect
from core.access.exposure import refusal
from core.plugins import registry as plugins
from core.plugins.registry import Registry
from core.settings import Settings, SettingsError, load_settings, parse_bind_host
from core.store.errors import StoreError


class _Program(click.Group):
    """``omniroute --port 3000`` means ``omniroute serve --port 3000``; plugins' commands are found when needed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version"}
        if not args or (args[0].startswith("-") and args[0] not in own):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_plugin_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _plugin_commands().get(cmd_name)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="omniroute")
def main() -> None:
    """One address for every coding agent and every model provider."""


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (PORT, else 20128).")
@click.option("--host", help="Address to listen on (HOSTNAME, else 127.0.0.1).")
@click.option("--no-open", is_flag=True, help="Do not open a browser on the first run.")
def serve(port: int | None, host: str | None, no_open: bool) -> None:
    """Run the gateway."""
    settings = _settings()
    if host is not None and parse_bind_host(host) != host.strip("[]").lower():
        raise click.ClickException(f"--host {host}: use an address such as 127.0.0.1 or 0.0.0.0.")
    if port is not None or host is not None:
        url = settings.base_url
        if settings.base_url == f"http://localhost:{settings.port}":
            url = f"http://localhost:{port or settings.port}"
        settings = evolve(settings, port=port or settings.port, host=host or settings.host, base_url=url)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("httpx", "apscheduler"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        asyncio.run(_serve(settings, open_browser=not no_open and sys.stdout.isatty()))
    except StoreError as exc:
        raise click.ClickException(str(exc)) from exc
    except LifespanFailureError:
        sys.exit(1)  # the application has said why


@main.command("plugins")
def list_plugins() -> None:
    """List the plugins that are installed, and what became of each."""
    registry = _registry(_settings())
    for record in registry.records:
        brings = ", ".join(f"{kind}: {' '.join(names)}" for kind, names in record.brings.items())
        click.echo(f"{record.state:<9} {record.name} ({record.distribution} {record.version})")
        click.echo(f"          {record.reason or brings or 'brings nothing'}")
    if any(record.state in ("broken", "refused") for record in registry.records):
        sys.exit(1)


main.add_command(connect.connect)
main.add_command(connect.disconnect)


async def _serve(settings: Settings, open_browser: bool) -> None:
    from core.app import Application

    await _check_exposure(settings)
    _check_port(settings)
    application = Application(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin_to_stop() -> None:
        application.drain()
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, begin_to_stop)
    greeting = asyncio.create_task(_greet(application, settings, open_browser))
    try:
        await hypercorn_serve(application, _config(settings), shutdown_trigger=stop.wait)  # type: ignore[arg-type]
    finally:
        greeting.cancel()


def _config(settings: Settings) -> Config:
    config = Config()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config.bind = [f"{host}:{settings.port}"]
    config.graceful_timeout = settings.drain_timeout_s
    config.keep_alive_timeout = 75
    config.accesslog = None
    config.errorlog = "-"
    config.loglevel = "WARNING"
    config.include_server_header = False
    config.h11_max_incomplete_size = 64 * 1024
    return config


async def _greet(application: Any, settings: Settings, open_browser: bool) -> None:
    """Says where the gateway listens, once it does."""
    while True:
        await asyncio.sleep(0.02)
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(_reachable(settings.host), settings.port)
            writer.close()
            break
    click.echo(f"OmniRoute {__version__} listens on {settings.base_url}")
    click.echo(f"  Point your clients at {settings.base_url}/v1, or without /v1 where they add it themselves.")
    link = application.kernel.setup_link
    if open_browser and link is not None:
        webbrowser.open(settings.base_url + link)


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


async def _check_exposure(settings: Settings) -> None:
    """Errors: `click.ClickException` where the address is public and the gateway is not protected."""
    from core.admin.setup import has_password
    from core.store.store import Store

    if refusal(settings, settings.host, has_password=False, requires_key=False) is None:
        return
    async with await Store.open(settings) as store:
        stored = await store.settings()
        password = settings.initial_password is not None or await has_password(store)
        requires_key = settings.require_api_key or bool(stored.get("requireApiKey"))
    reason = refusal(settings, settings.host, password, requires_key)
    if reason is not None:
        raise click.ClickException(reason)


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as exc:
            raise click.ClickException(
                f"Port {settings.port} on {settings.host} cannot be used ({exc.strerror}). "
                f"Is OmniRoute running already? Choose another with --port."
            ) from exc


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as exc:
        raise click.ClickException(str(exc)) from exc


def _registry(settings: Settings) -> Registry:
    logging.getLogger("omniroute.plugins").setLevel(logging.ERROR)
    return plugins.build(settings.disabled_plugins, settings.provider_override)


def _plugin_commands() -> dict[str, click.Command]:
    if os.environ.get("_OMNIROUTE_COMPLETE"):  # shell completion must stay quick
        return {}
    try:
        registry = _registry(load_settings())
    except SettingsError:
        return {}
    return {command.name: command for command in registry.commands if command.name}


if __name__ == "__main__":
    main()
