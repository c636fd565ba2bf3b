"""The vault: what is sealed opens for its own record with its own key, and for nothing else."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.settings import Settings
from core.store.errors import VaultLocked
from core.store.store import FILE_NAME, Store
from core.store.vault import KEY_FILE, Vault, open_vault

SECRET = "sk-provider-secret-0123456789"


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


def vault(**secrets):
    return Vault(b"m" * 32, source="a test", **secrets)


def test_sealed_text_opens_again_and_never_looks_the_same():
    one, two = vault().seal("connection", "c1", SECRET), vault().seal("connection", "c1", SECRET)

    assert one.startswith("enc:v1:")
    assert one != two
    assert SECRET not in one
    assert vault().unseal("connection", "c1", one) == vault().unseal("connection", "c1", two) == SECRET


@pytest.mark.parametrize(("kind", "record_id"), [("connection", "c2"), ("api_key", "c1")])
def test_sealed_text_cannot_be_moved_to_another_record(kind, record_id):
    sealed = vault().seal("connection", "c1", SECRET)
    with pytest.raises(VaultLocked):
        vault().unseal(kind, record_id, sealed)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda s: s[:-6] + ("AAAAAA" if not s.endswith("AAAAAA") else "BBBBBB"), id="changed"),
        pytest.param(lambda s: s[:-8], id="cut"),
        pytest.param(lambda s: "enc:v1:", id="emptied"),
        pytest.param(lambda s: s + "é", id="no-base64"),
        pytest.param(lambda s: SECRET, id="never-sealed"),
    ],
)
def test_damaged_text_does_not_open(damage):
    with pytest.raises(VaultLocked):
        vault().unseal("connection", "c1", damage(vault().seal("connection", "c1", SECRET)))


def test_derived_secrets_differ_and_follow_the_users_own():
    plain = vault()
    assert plain.session_secret != plain.api_key_secret
    assert len(plain.session_secret) == len(plain.api_key_secret) == 32

    own = vault(jwt_secret="mine", api_key_secret="mine too")
    assert own.session_secret != plain.session_secret
    assert own.api_key_secret != plain.api_key_secret
    assert own.unseal("a", "b", plain.seal("a", "b", SECRET)) == SECRET


def test_key_file_is_made_once_and_private(settings):
    first = open_vault(settings, may_create=True)
    second = open_vault(settings, may_create=True)

    path = settings.data_dir / KEY_FILE
    assert second.unseal("a", "b", first.seal("a", "b", SECRET)) == SECRET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in settings.data_dir.iterdir()] == [KEY_FILE]


def test_workers_that_make_the_key_at_once_all_get_the_same(tmp_path):
    together = threading.Barrier(8)

    def work(settings):
        together.wait(30)
        return open_vault(settings, may_create=True).session_secret

    with ThreadPoolExecutor(8) as workers:
        for n in range(40):
            settings = Settings(data_dir=tmp_path / str(n))
            assert len(set(workers.map(work, [settings] * 8))) == 1


def test_key_file_with_open_rights_is_closed_to_others(settings):
    open_vault(settings, may_create=True)
    path = settings.data_dir / KEY_FILE
    path.chmod(0o644)

    open_vault(settings, may_create=True)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_vault_shows_no_key(settings):
    made = open_vault(settings, may_create=True)
    key = (settings.data_dir / KEY_FILE).read_text().strip()
    assert key not in repr(made)
    assert made.session_secret.hex() not in repr(made)


async def test_store_refuses_another_key_and_stays_as_it_was(settings):
    async with await Store.open(settings) as store:
        await store.create_connection(provider="p", auth_type="apikey", name="n", credential={"api_key": SECRET})
    key_file, db = settings.data_dir / KEY_FILE, settings.data_dir / FILE_NAME
    right_key, before = key_file.read_bytes(), db.read_bytes()
    key_file.write_bytes(b"x" * 43 + b"\n")

    with pytest.raises(VaultLocked, match="Put the right key back"):
        await Store.open(settings)
    assert key_file.read_bytes() == b"x" * 43 + b"\n"

    key_file.write_bytes(right_key)
    async with await Store.open(settings) as store:
        (connection,) = await store.connections()
    assert connection.credential == {"api_key": SECRET}
    assert db.read_bytes() == before


async def test_store_with_secrets_gets_no_new_key_for_a_lost_one(settings):
    await (await Store.open(settings)).aclose()
    key_file = settings.data_dir / KEY_FILE
    key_file.unlink()

    with pytest.raises(VaultLocked, match=r"secret\.key is missing"):
        await Store.open(settings)
    assert not key_file.exists()


async def test_store_refuses_a_cut_key_file(settings):
    await (await Store.open(settings)).aclose()
    (settings.data_dir / KEY_FILE).write_text("short")
    with pytest.raises(VaultLocked, match="does not hold a whole key"):
        await Store.open(settings)


async def test_key_from_the_environment_needs_no_file(tmp_path):
    settings = Settings(data_dir=tmp_path, storage_encryption_key="correct horse battery staple")
    async with await Store.open(settings) as store:
        await store.create_connection(provider="p", auth_type="apikey", name="n", credential={"api_key": SECRET})

    assert not (tmp_path / KEY_FILE).exists()
    with pytest.raises(VaultLocked, match="STORAGE_ENCRYPTION_KEY"):
        await Store.open(Settings(data_dir=tmp_path, storage_encryption_key="another horse entirely"))
    async with await Store.open(settings) as store:
        assert (await store.connections())[0].credential == {"api_key": SECRET}
