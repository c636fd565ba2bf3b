"""Nodes, keys, values, sessions, logins, leases and live state in the store."""

import asyncio

import pytest
from omniroute_hooks.errors import NotFound

from core.settings import Settings
from core.store.errors import Conflict
from core.store.store import Store
from core.store.times import from_iso, to_iso


def add_node(store, prefix="mk", **more):
    values = {"type": "openai-compatible", "name": "Mock", "base_url": "http://127.0.0.1:1/v1", **more}
    return store.create_node(prefix=prefix, **values)


# --- nodes


async def test_node_is_read_back_as_written(store, clock):
    made = await add_node(store, api_type="chat", chat_path="/chat", models_path="/list")

    assert made.id.startswith("openai-compatible-")
    assert (made.prefix, made.api_type, made.chat_path, made.models_path) == ("mk", "chat", "/chat", "/list")
    assert made.created_at == made.updated_at == clock.now_s
    assert await store.node(made.id) == made
    assert await store.nodes() == [made]


async def test_prefix_belongs_to_one_node(store):
    first, other = await add_node(store), await add_node(store, prefix="other")
    with pytest.raises(Conflict, match="'mk'"):
        await add_node(store)
    with pytest.raises(Conflict, match="'mk'"):
        await store.update_node(other.id, prefix="mk")
    assert {each.prefix for each in await store.nodes()} == {"mk", "other"}
    assert (await store.update_node(first.id, prefix="mk", name="Same")).name == "Same"


async def test_update_of_an_unknown_node_or_field(store):
    made = await add_node(store)
    with pytest.raises(NotFound):
        await store.update_node("nowhere", name="x")
    with pytest.raises(TypeError, match="type"):
        await store.update_node(made.id, type="x")


async def test_deleting_a_node_deletes_its_connections_only(store):
    node = await add_node(store)
    for provider in (node.id, "acme"):
        await store.create_connection(provider=provider, auth_type="none", name="n", credential={})

    assert await store.delete_node(node.id)

    assert [each.provider for each in await store.connections()] == ["acme"]
    assert not await store.delete_node(node.id)


# --- API keys


async def test_key_is_read_back_as_written(store, clock):
    made = await store.create_api_key(
        name="laptop",
        key_hash="h1",
        key_hint="sk-omni-abcd…wxyz",
        allowed_models=["a/b"],
        allowed_connections=("c1",),
        no_log=True,
        scopes=["chat"],
        expires_at=clock.now_s + 9,
    )

    assert (made.allowed_models, made.allowed_connections, made.scopes) == (("a/b",), ("c1",), ("chat",))
    assert (made.is_active, made.no_log, made.revealable, made.revoked_at) == (True, True, False, None)
    assert await store.api_key(made.id) == made
    assert await store.api_keys() == [made]
    assert await store.reveal_api_key(made.id) is None


async def test_kept_key_can_be_shown_again(store):
    made = await store.create_api_key(name="k", key_hash="h", key_hint="…", key_to_seal="sk-omni-whole")
    assert made.revealable
    assert await store.reveal_api_key(made.id) == "sk-omni-whole"
    with pytest.raises(NotFound):
        await store.reveal_api_key("nowhere")


async def test_same_key_twice_is_a_conflict_but_names_may_repeat(store):
    await store.create_api_key(name="k", key_hash="h1", key_hint="…")
    await store.create_api_key(name="k", key_hash="h2", key_hint="…")
    with pytest.raises(Conflict):
        await store.create_api_key(name="other", key_hash="h1", key_hint="…")


async def test_key_is_changed_and_deleted(store, clock):
    made = await store.create_api_key(name="k", key_hash="h", key_hint="…")

    changed = await store.update_api_key(
        made.id, is_active=False, allowed_models=("m",), expires_at=5.0, revoked_at=6.0
    )

    assert (changed.is_active, changed.allowed_models) == (False, ("m",))
    assert (changed.expires_at, changed.revoked_at) == (5.0, 6.0)
    with pytest.raises(TypeError, match="key_hash"):
        await store.update_api_key(made.id, key_hash="x")
    assert await store.delete_api_key(made.id)
    with pytest.raises(NotFound):
        await store.update_api_key(made.id, name="x")


async def test_use_of_keys_is_noted_without_a_new_version(store):
    made = await store.create_api_key(name="k", key_hash="h", key_hint="…")
    version = await store.version()

    await store.note_api_key_use({made.id: 20.0, "gone": 1.0})
    await store.note_api_key_use({made.id: 10.0})  # an older note of another worker

    assert (await store.api_key(made.id)).last_used_at == 20.0
    assert await store.version() == version


# --- values and settings


@pytest.mark.parametrize("value", [None, False, 0, "", "text", 1.5, [1, {"a": None}], {"deep": {"er": [True]}}])
async def test_value_is_any_json(store, value):
    await store.set_value("ns", "key", value)
    assert await store.get_value("ns", "key", "default") == value
    assert await store.get_values("ns") == {"key": value}


async def test_values_are_kept_by_namespace(store):
    await store.set_value("a", "key", 1)
    await store.set_value("b", "key", 2)
    await store.set_value("a", "key", 3)

    assert await store.get_values("a") == {"key": 3}
    assert await store.delete_value("a", "key")
    assert not await store.delete_value("a", "key")
    assert await store.get_value("a", "key", "default") == "default"
    assert await store.get_values("b") == {"key": 2}


async def test_settings_are_patched_all_or_none(store):
    assert await store.patch_settings({"one": 1, "two": [2]}) == {"one": 1, "two": [2]}
    assert await store.patch_settings({"one": None, "three": False}) == {"two": [2], "three": False}
    version = await store.version()

    with pytest.raises(TypeError):
        await store.patch_settings({"two": "changed", "bad": object()})

    assert await store.settings() == {"two": [2], "three": False}
    assert await store.version() == version


async def test_every_change_of_configuration_raises_the_version_by_one(store):
    before = await store.version()
    node = await add_node(store)
    connection = await store.create_connection(provider=node.id, auth_type="none", name="n", credential={})
    key = await store.create_api_key(name="k", key_hash="h", key_hint="…")
    await store.update_node(node.id, name="x")
    await store.update_connection(connection.id, name="x")
    await store.update_api_key(key.id, name="x")
    await store.set_value("a", "b", 1)
    await store.patch_settings({"a": 1})
    await store.delete_api_key(key.id)
    await store.delete_node(node.id)
    assert await store.version() == before + 10


async def test_load_all_is_one_moment(store):
    """Writers change two things in one transaction each; a reader never sees one without the other."""

    async def write():
        for n in range(30):
            await store.patch_settings({"left": n, "right": n})

    async def read():
        seen = []
        for _ in range(30):
            contents = await store.load_all()
            values = contents.key_values.get("settings", {})
            seen.append((values.get("left") == values.get("right"), contents.version))
        return seen

    _, seen = await asyncio.gather(write(), read())
    assert all(together for together, _ in seen)
    assert [version for _, version in seen] == sorted(version for _, version in seen)


async def test_load_all_holds_combos_in_their_order(store):
    for name, order in (("late", 2), ("early", 1)):
        await store._database.configure(
            lambda db, name=name, order=order: db.execute_sql(
                "INSERT INTO combos VALUES (?, ?, '[\"a/b\"]', 'priority', '{}', ?, 1, 5.0, 6.0)", (name, name, order)
            )
        )
    early, late = (await store.load_all()).combos
    assert (early.name, late.name) == ("early", "late")
    assert (early.models, early.config, early.is_active, early.updated_at) == (("a/b",), {}, True, 6.0)


# --- sessions and logins


async def test_session_lives_until_its_time(store, clock):
    made = await store.add_session(id_hash="h", expires_at=clock.now_s + 10, client="browser")
    assert await store.session("h") == made
    clock.now_s += 5
    await store.touch_session("h", expires_at=clock.now_s + 10)
    clock.now_s += 9
    assert (await store.session("h")).last_seen_at == clock.now_s - 9
    clock.now_s += 1
    assert await store.session("h") is None
    assert await store.sessions() == []


async def test_expired_sessions_and_logins_are_cleared_out(store, clock):
    await store.add_session(id_hash="old", expires_at=clock.now_s + 1)
    await store.add_login(state="old", provider="p", data={}, expires_at=clock.now_s + 1)
    clock.now_s += 1
    await store.add_session(id_hash="new", expires_at=clock.now_s + 1)
    await store.add_login(state="new", provider="p", data={}, expires_at=clock.now_s + 1)

    left = await store._database.read(
        lambda db: db.execute_sql("SELECT id_hash FROM sessions UNION ALL SELECT state FROM logins").fetchall()
    )
    assert left == [("new",), ("new",)]


async def test_login_is_taken_by_one_of_many(store, clock):
    await store.add_login(state="s", provider="cc", data={"verifier": "v"}, expires_at=clock.now_s + 60)
    with pytest.raises(Conflict):
        await store.add_login(state="s", provider="cc", data={}, expires_at=clock.now_s + 60)

    peeked = await store.login("s")
    taken = await asyncio.gather(*(store.take_login("s") for _ in range(5)))

    assert (peeked.provider, peeked.data) == ("cc", {"verifier": "v"})
    assert [each for each in taken if each] == [peeked]


async def test_expired_login_is_no_login(store, clock):
    await store.add_login(state="s", provider="cc", data={}, expires_at=clock.now_s + 60)
    clock.now_s += 60
    assert await store.login("s") is None
    assert await store.take_login("s") is None


# --- leases and live state


async def test_lease_is_for_one_owner_until_it_ends(store, clock):
    assert await store.acquire_lease("jobs", "a", 10)
    assert not await store.acquire_lease("jobs", "b", 10)
    assert await store.acquire_lease("other", "b", 10)
    clock.now_s += 9
    assert await store.acquire_lease("jobs", "a", 10)  # prolonged by its owner
    clock.now_s += 9
    assert not await store.acquire_lease("jobs", "b", 10)
    clock.now_s += 1
    assert await store.acquire_lease("jobs", "b", 10)
    assert not await store.acquire_lease("jobs", "a", 10)


async def test_only_the_owner_releases_a_lease(store):
    await store.acquire_lease("jobs", "a", 10)
    await store.release_lease("jobs", "b")
    assert not await store.acquire_lease("jobs", "b", 10)
    await store.release_lease("jobs", "a")
    assert await store.acquire_lease("jobs", "b", 10)


async def test_live_state_outlives_a_restart_until_its_time(tmp_path, clock):
    settings = Settings(data_dir=tmp_path)
    async with await Store.open(settings, clock=clock) as store:
        version = await store.version()
        await store.put_live_value("cooldown/c1", {"step": 1}, clock.now_s + 10)
        await store.put_live_value("cooldown/c1", {"step": 2}, clock.now_s + 20)
        await store.put_live_value("cooldown/c2", {"step": 1}, clock.now_s + 5)
        await store.put_live_value("cooldown/c3", {"step": 1}, clock.now_s + 50)
        await store.delete_live_value("cooldown/c3")
        assert await store.version() == version

    clock.now_s += 10
    async with await Store.open(settings, clock=clock) as store:
        assert await store.live_values() == {"cooldown/c1": {"step": 2}}


# --- the rest


async def test_two_stores_in_one_process_do_not_mix(tmp_path):
    async with (
        await Store.open(Settings(data_dir=tmp_path / "a")) as one,
        await Store.open(Settings(data_dir=tmp_path / "b")) as two,
    ):
        await asyncio.gather(*(store.set_value("n", str(i), i) for i in range(20) for store in (one, two)))
        await one.set_value("n", "only", 1)
        assert len(await one.get_values("n")) == 21
        assert len(await two.get_values("n")) == 20


async def test_cancelled_caller_leaves_the_store_usable(store):
    calls = [asyncio.create_task(store.set_value("n", str(i), i)) for i in range(50)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)

    kept = await store.get_values("n")
    assert {str(i) for i in range(1, 50, 2)} <= set(kept)
    await store.set_value("n", "after", 1)


async def test_closing_twice_is_harmless(tmp_path):
    store = await Store.open(Settings(data_dir=tmp_path))
    await store.aclose()
    await store.aclose()
    assert not (tmp_path / "omniroute.db-wal").exists()


@pytest.mark.parametrize(
    ("text", "unix_s"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2025-01-01T00:00:00.500Z", 1735689600.5),
        ("2024-02-29T23:59:59.999Z", 1709251199.999),
    ],
)
def test_times_are_utc_with_a_z(text, unix_s):
    assert to_iso(unix_s) == text
    assert from_iso(text) == unix_s
    assert to_iso(None) is None


def test_time_with_a_zone_and_without():
    assert from_iso("2025-01-01T01:00:00+01:00") == from_iso("2025-01-01T00:00:00") == 1735689600
    with pytest.raises(ValueError, match="soon"):
        from_iso("soon")
