"""Migrations: whatever happens on the way, the old store stays whole."""

import hashlib
import multiprocessing
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from core.settings import Settings
from core.store.errors import MigrationFailed, StoreBusy, StoreCorrupt, StoreError, StoreTooNew
from core.store.migrate import migrate, schema_version, startup_lock
from core.store.migrations import Migration, known_migrations
from core.store.store import FILE_NAME, Store
from core.store.tables import ALL_TABLES

MIGRATIONS_DIR = Path(__file__).parents[3] / "core" / "store" / "migrations"

# A released migration never changes: users' stores have gone through it. Add a line with each new one.
RELEASED = {
    "m0001_initial.py": "7650357b2e8a966d33ca8fa0251807b06e8367570daf1cead76b29ee9ac1d4a9",
    "m0002_node_data.py": "b00665206a8e83e36ca34fc75958574bbc983d9f7147ef0bf3a8804f5fba8e31",
    "m0003_rests.py": "5764f594d2a641470e424c51cd059bcf56cf44e44038498872216c939b8859fc",
}


NOW = len(known_migrations())


def add_column(db):
    db.execute_sql("ALTER TABLE combos ADD COLUMN colour TEXT")


def fail_halfway(db):
    db.execute_sql("DELETE FROM key_value")
    db.execute_sql("SELECT nonsense FROM nowhere")


def die_halfway(db):
    db.execute_sql("DELETE FROM key_value")
    os._exit(9)


def break_reference(db):
    db.execute_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    db.execute_sql("CREATE TABLE child (parent_id INTEGER REFERENCES parent (id))")
    db.execute_sql("INSERT INTO child VALUES (7)")


def then(apply):
    return (*known_migrations(), Migration(len(known_migrations()) + 1, "next", apply))


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
async def used_store(settings):
    """The file of a store that holds a value and is closed."""
    async with await Store.open(settings) as store:
        await store.set_value("notes", "kept", {"n": 1})
    return settings.data_dir / FILE_NAME


async def value_in(settings, **options):
    async with await Store.open(settings, **options) as store:
        return await store.get_value("notes", "kept")


def test_released_migrations_are_unchanged():
    found = {
        path.name: hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        for path in MIGRATIONS_DIR.glob("m*.py")
    }
    assert found == RELEASED


async def test_models_match_the_migrated_schema(settings, used_store):
    with closing(sqlite3.connect(used_store)) as db:
        for model in ALL_TABLES:
            made = {
                name: (bool(not_null), bool(key))
                for _, name, _, not_null, _, key in db.execute(f"PRAGMA table_info({model._meta.table_name})")
            }
            keys = {field.column_name for field in model._meta.get_primary_keys()}
            declared = {
                field.column_name: (not field.null, field.column_name in keys) for field in model._meta.sorted_fields
            }
            assert made == declared, model
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {model._meta.table_name for model in ALL_TABLES}


async def test_new_store_is_private_and_in_wal_mode(settings):
    async with await Store.open(settings) as store:
        await store.set_value("a", "b", 1)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.data_dir.iterdir()}
        with closing(sqlite3.connect(settings.data_dir / FILE_NAME)) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert "omniroute.db-wal" in modes
    assert set(modes.values()) == {0o600}


async def test_migration_carries_the_data_over_and_keeps_the_copy_from_before(settings, used_store):
    assert await value_in(settings, migrations=then(add_column)) == {"n": 1}

    assert schema_version(used_store) == NOW + 1
    (kept,) = (settings.data_dir / "backups").iterdir()
    assert schema_version(kept) == NOW
    assert stat.S_IMODE(kept.stat().st_mode) == stat.S_IMODE(used_store.stat().st_mode) == 0o600
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("SELECT value FROM key_value").fetchall() == [('{"n":1}',)]
    assert {path.name for path in settings.data_dir.iterdir()} == {
        "omniroute.db",
        "omniroute.db.lock",
        "omniroute.db.inuse",
        "secret.key",
        "backups",
    }


async def test_what_only_the_write_ahead_log_holds_is_migrated_too(settings, used_store):
    # A process that was killed leaves its last commits in the -wal file.
    killed = multiprocessing.get_context("spawn").Process(target=commit_and_die, args=(str(used_store),))
    killed.start()
    killed.join(30)
    assert killed.exitcode == 9
    assert used_store.with_name("omniroute.db-wal").stat().st_size > 0

    async with await Store.open(settings, migrations=then(add_column)) as store:
        assert await store.get_values("notes") == {"kept": {"n": 1}, "late": 2}


def commit_and_die(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("INSERT INTO key_value VALUES ('notes', 'late', '2')")
    os._exit(9)


@pytest.mark.parametrize("broken", [fail_halfway, break_reference])
async def test_failed_migration_leaves_the_old_store(settings, used_store, broken):
    before = used_store.read_bytes()

    with pytest.raises(MigrationFailed, match=rf"migration {NOW + 1} \(next\)|check of the migrated copy"):
        await Store.open(settings, migrations=then(broken))

    assert schema_version(used_store) == NOW
    assert len(used_store.read_bytes()) == len(before)
    assert not used_store.with_name("omniroute.db.migrating").exists()
    assert await value_in(settings) == {"n": 1}


def migrate_and_die(path):
    with startup_lock(Path(path)):
        migrate(Path(path), then(die_halfway))


async def test_crash_in_a_migration_leaves_the_old_store_and_the_next_start_migrates(settings, used_store):
    crashed = multiprocessing.get_context("spawn").Process(target=migrate_and_die, args=(str(used_store),))
    crashed.start()
    crashed.join(30)
    assert crashed.exitcode == 9
    assert used_store.with_name("omniroute.db.migrating").exists()

    assert await value_in(settings) == {"n": 1}
    assert await value_in(settings, migrations=then(add_column)) == {"n": 1}
    assert not used_store.with_name("omniroute.db.migrating").exists()


async def test_crash_while_the_store_is_made_leaves_none_behind(settings):
    path = settings.data_dir / FILE_NAME
    settings.data_dir.mkdir()
    crashed = multiprocessing.get_context("spawn").Process(target=migrate_and_die, args=(str(path),))
    crashed.start()
    crashed.join(30)
    assert crashed.exitcode == 9
    assert not path.exists()

    assert await value_in(settings) is None


async def test_store_of_a_newer_release_is_refused(settings, used_store):
    await value_in(settings, migrations=then(add_column))
    before = used_store.read_bytes()

    with pytest.raises(StoreTooNew, match=f"its schema is {NOW + 1}, this release knows up to {NOW}"):
        await Store.open(settings)

    assert used_store.read_bytes() == before


async def test_running_release_is_not_migrated_away_under_its_feet(settings):
    async with await Store.open(settings) as running:
        with pytest.raises(StoreBusy, match="Another OmniRoute process"):
            await Store.open(settings, migrations=then(add_column))
        await running.set_value("notes", "kept", 3)

    assert await value_in(settings, migrations=then(add_column)) == 3


async def test_file_open_in_another_program_is_not_swapped(settings, used_store):
    with closing(sqlite3.connect(used_store)) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM key_value").fetchone() == (1,)
        with pytest.raises(StoreBusy):
            await Store.open(settings, migrations=then(add_column))
        other.execute("ROLLBACK")
        other.execute("INSERT INTO key_value VALUES ('notes', 'from outside', '1')")
        other.commit()

    async with await Store.open(settings, migrations=then(add_column)) as store:
        assert set(await store.get_values("notes")) == {"kept", "from outside"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: b"", id="emptied"),
        pytest.param(lambda whole: b"garbage" * 1000, id="overwritten"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="cut"),
        pytest.param(lambda whole: whole[:4096] + b"\xff" * 4096 + whole[8192:], id="page-overwritten"),
    ],
)
async def test_damaged_store_is_refused_and_left_as_it_is(settings, used_store, damage):
    damaged = damage(used_store.read_bytes())
    used_store.write_bytes(damaged)

    for migrations in (known_migrations(), then(add_column)):
        with pytest.raises(StoreCorrupt, match="backups"):
            await Store.open(settings, migrations=migrations)
        assert used_store.read_bytes() == damaged


async def test_database_of_another_program_is_refused(settings):
    settings.data_dir.mkdir()
    path = settings.data_dir / FILE_NAME
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()

    with pytest.raises(StoreCorrupt, match="some other program"):
        await Store.open(settings)
    assert path.read_bytes() == before


async def test_lost_database_with_data_left_in_its_log_is_not_begun_anew(settings):
    settings.data_dir.mkdir()
    path = settings.data_dir / FILE_NAME
    path.with_name("omniroute.db-wal").write_bytes(b"committed pages")

    with pytest.raises(StoreCorrupt, match=r"omniroute\.db-wal"):
        await Store.open(settings)
    assert not path.exists()


async def test_unusable_directory_is_told_plainly(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be used"):
        await Store.open(Settings(data_dir=tmp_path / "file" / "data"))


async def test_only_ten_copies_from_before_migrations_are_kept(settings, used_store):
    backups = settings.data_dir / "backups"
    backups.mkdir()
    (backups / "made-by-hand.db").write_text("not ours to delete")
    migrations = known_migrations()
    for version in range(NOW + 1, NOW + 13):
        migrations = (*migrations, Migration(version, "empty", lambda db: None))
        await value_in(settings, migrations=migrations)

    kept = [path for path in backups.iterdir() if path.name != "made-by-hand.db"]
    assert {schema_version(path) for path in kept} == set(range(NOW + 2, NOW + 12))
    assert (backups / "made-by-hand.db").exists()
