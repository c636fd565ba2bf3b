"""The store's migrations: numbered modules ``mNNNN_name.py`` with ``apply(db)``.

A released migration never changes; a test holds its checksum. A migration writes its SQL out, in words that
SQLite and Postgres share, and never uses `core.store.tables`, which moves on.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import Any

from attrs import frozen


@frozen
class Migration:
    """One step of the schema. ``apply`` gets a peewee database inside an open transaction."""

    version: int
    name: str
    apply: Callable[[Any], None]


def known_migrations() -> tuple[Migration, ...]:
    """Every migration of this release in order, numbered 1, 2, 3, ..."""
    found = []
    for module_info in pkgutil.iter_modules(__path__):
        match = re.fullmatch(r"m(\d{4})_(\w+)", module_info.name)
        if match:
            module = importlib.import_module(f"{__name__}.{module_info.name}")
            found.append(Migration(int(match[1]), match[2], module.apply))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise RuntimeError("The migrations are not numbered 1, 2, 3, ...: the installation is incomplete.")
    return tuple(found)
