"""Settings: what the environment says, read once at start-up into one frozen value.

The real environment wins over ``./.env``, which wins over ``~/.omniroute/.env``.
An empty variable counts as unset. Settings that change while the gateway runs
live in the store, not here. `.env.example` explains every variable to users.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from attrs import Factory, field, fields, frozen
from dotenv import dotenv_values

from core.access.passwords import check_new_password

DEFAULT_PORT = 20128
LOOPBACK = "127.0.0.1"
MIN_STORAGE_KEY_CHARS = 16

TRUE_WORDS = frozenset({"true", "1", "yes", "on"})
FALSE_WORDS = frozenset({"false", "0", "no", "off"})


class SettingsError(Exception):
    """Some variables hold values that cannot be used; ``problems`` has one line for each of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("These settings need correcting:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = tuple(problems)


def parse_flag(text: str) -> bool:
    word = text.lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError("use true or false (1/0, yes/no and on/off work too)")


def whole_number(low: int, high: int, *, times: int = 1) -> Callable[[str], int]:
    """A parser for whole numbers in ``low..high``, multiplied by ``times`` to reach the field's unit."""

    def parse(text: str) -> int:
        # int() alone would also take "1_000", " 7" and digits of other scripts.
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"use a whole number from {low} to {high}")
        return int(text) * times

    return parse


def decimal_number(low: float, high: float) -> Callable[[str], float]:
    """A parser for plain decimal numbers in ``low..high``."""

    def parse(text: str) -> float:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,9})?", text) or not low <= float(text) <= high:
            raise ValueError(f"use a number from {low:g} to {high:g}")
        return float(text)

    return parse


def parse_bind_host(text: str) -> str:
    """The address to bind to. Shells and containers set HOSTNAME to the machine's name, which must not open
    the gateway to the network, so anything but an address or ``localhost`` falls back to loopback."""
    bare = text.removeprefix("[").removesuffix("]")
    if bare.lower() == "localhost":
        return "localhost"
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return LOOPBACK


def parse_base_url(text: str) -> str:
    problem = "use an address such as http://localhost:20128, without a query"
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(problem) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine:
        raise ValueError(problem)
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(problem)
    return text.rstrip("/")


def parse_names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def parse_directory(text: str) -> Path:
    return Path(text)  # "~" is resolved in load_settings, which knows whose home is meant


def parse_storage_key(text: str) -> str:
    if len(text) < MIN_STORAGE_KEY_CHARS:
        raise ValueError(f"use at least {MIN_STORAGE_KEY_CHARS} characters, for instance from: openssl rand -base64 32")
    return text


def variable(name: str, parse: Callable[[str], Any], default: Any, *, secret: bool = False) -> Any:
    """A field read from the environment variable ``name``. A secret's value is kept out of reprs and errors."""
    return field(default=default, repr=not secret, metadata={"env": name, "parse": parse, "secret": secret})


@frozen(kw_only=True)
class Settings:
    """One process's start-up configuration. Built by `load_settings`; tests may build it directly."""

    # ruff takes variable() for a default computed too early; it makes an attrs field.
    data_dir: Path = variable(  # noqa: RUF009
        "DATA_DIR", parse_directory, Factory(lambda: Path.home() / ".omniroute")
    )
    port: int = variable("PORT", whole_number(1, 65535), DEFAULT_PORT)
    host: str = variable("HOSTNAME", parse_bind_host, LOOPBACK)
    base_url: str = variable(
        "BASE_URL", parse_base_url, Factory(lambda self: f"http://localhost:{self.port}", takes_self=True)
    )
    initial_password: str | None = variable("INITIAL_PASSWORD", check_new_password, None, secret=True)
    jwt_secret: str | None = variable("JWT_SECRET", str, None, secret=True)
    api_key_secret: str | None = variable("API_KEY_SECRET", str, None, secret=True)
    storage_encryption_key: str | None = variable("STORAGE_ENCRYPTION_KEY", parse_storage_key, None, secret=True)
    require_api_key: bool = variable("REQUIRE_API_KEY", parse_flag, False)
    allow_api_key_reveal: bool = variable("ALLOW_API_KEY_REVEAL", parse_flag, False)
    auth_cookie_secure: bool = variable("AUTH_COOKIE_SECURE", parse_flag, False)
    disable_auto_backup: bool = variable("DISABLE_SQLITE_AUTO_BACKUP", parse_flag, False)
    app_log_to_file: bool = variable("APP_LOG_TO_FILE", parse_flag, True)
    provider_limits_sync_interval_minutes: int = variable(
        "PROVIDER_LIMITS_SYNC_INTERVAL_MINUTES", whole_number(1, 7 * 24 * 60), 70
    )
    disabled_plugins: tuple[str, ...] = variable("OMNIROUTE_DISABLED_PLUGINS", parse_names, ())
    max_body_bytes: int = variable("OMNIROUTE_MAX_BODY_MB", whole_number(1, 2048, times=1024 * 1024), 32 * 1024 * 1024)
    drain_timeout_s: float = variable("OMNIROUTE_DRAIN_SECONDS", decimal_number(0, 3600), 30.0)
    state_url: str = variable("OMNIROUTE_STATE_URL", str, "memory:", secret=True)
    _environ: Mapping[str, str] = field(factory=lambda: MappingProxyType({}), repr=False, eq=False, alias="environ")

    def provider_override(self, provider_id: str, name: str) -> str | None:
        """The user's replacement for one value of a provider's declaration, or None.

        ``provider_override("cc", "token_url")`` reads ``OMNIROUTE_CC_TOKEN_URL``. Every character that cannot
        stand in a variable's name becomes ``_``.
        """
        key = re.sub(r"[^A-Z0-9]", "_", f"OMNIROUTE_{provider_id}_{name}".upper())
        return self._environ.get(key, "").strip() or None


def load_settings(environ: Mapping[str, str] | None = None, env_files: Sequence[Path | str] | None = None) -> Settings:
    """Read the settings from ``environ`` (default: the process's) and ``env_files``, the first file winning
    (default: ``./.env``, then ``~/.omniroute/.env``). Files that do not exist are skipped.

    Errors: `SettingsError`, listing every wrong variable at once.
    """
    real = os.environ if environ is None else environ
    home = Path(real["HOME"]) if real.get("HOME") else Path.home()
    files = (Path(".env"), home / ".omniroute" / ".env") if env_files is None else env_files

    merged: dict[str, str] = {}
    for file in reversed(files):
        # Not interpolated: a password with "${" in it must arrive as written.
        merged |= {k: v for k, v in dotenv_values(file, interpolate=False).items() if v}
    merged |= {k: v for k, v in real.items() if v}

    values: dict[str, Any] = {}
    problems: list[str] = []
    for each in fields(Settings):
        name = each.metadata.get("env")
        raw = merged.get(name, "") if name else ""
        if not raw.strip():
            continue
        secret = each.metadata["secret"]
        text = raw if secret else raw.strip()
        try:
            values[each.name] = each.metadata["parse"](text)
        except ValueError as exc:
            shown = "its value" if secret else repr(text)
            problems.append(f"{name}: {shown} cannot be used; {exc}")
    if problems:
        raise SettingsError(problems)

    values["data_dir"] = _absolute(values.get("data_dir", Path("~/.omniroute")), home)
    return Settings(**values, environ=MappingProxyType(merged))


def _absolute(path: Path, home: Path) -> Path:
    if path.parts and path.parts[0] == "~":
        path = home.joinpath(*path.parts[1:])
    return Path(os.path.abspath(path))
