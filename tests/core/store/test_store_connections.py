"""Connections in the store: sealed, unique by name, and refreshed by one at a time."""

import asyncio

import pytest
from omniroute_hooks.errors import NotFound

from core.store.connections import UNREADABLE
from core.store.errors import Conflict, LeaseLost
from core.store.records import ConnectionRecord

SECRET = "sk-provider-secret-0123456789"


def add(store, name="main", provider="acme", **more):
    return store.create_connection(
        provider=provider, name=name, **{"auth_type": "apikey", "credential": {"api_key": SECRET}, **more}
    )


async def test_connection_is_read_back_as_written(store, clock):
    made = await add(
        store,
        auth_type="oauth",
        email="me@example.com",
        priority=3,
        is_active=False,
        default_model="m",
        max_concurrent=4,
        provider_specific_data={"baseUrl": "http://127.0.0.1:1"},
        expires_at=clock.now_s + 60,
    )

    assert made == ConnectionRecord(
        id=made.id,
        provider="acme",
        auth_type="oauth",
        name="main",
        email="me@example.com",
        priority=3,
        is_active=False,
        default_model="m",
        max_concurrent=4,
        credential={"api_key": SECRET},
        provider_specific_data={"baseUrl": "http://127.0.0.1:1"},
        expires_at=clock.now_s + 60,
        state="unknown",
        created_at=clock.now_s,
        updated_at=clock.now_s,
    )
    assert await store.connection(made.id) == made
    assert await store.connections() == [made]
    assert await store.connection("nowhere") is None


async def test_secret_is_in_no_repr_and_in_no_file(store, tmp_path):
    made = await add(store)
    await store.update_connection(made.id, credential={"api_key": SECRET, "refresh_token": SECRET * 2})
    await store.create_api_key(name="k", key_hash="h", key_hint="…", key_to_seal=SECRET)
    await store.add_login(state="s", provider="acme", data={"verifier": SECRET}, expires_at=2e9)
    login = await store.login("s")
    contents = await store.load_all()

    assert contents.connections[0].credential["refresh_token"] == SECRET * 2
    assert SECRET not in repr((made, contents, login, store, store.vault))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.stat().st_size > 0 and path.name == "omniroute.db-wal" for path in files)
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path


async def test_same_name_at_one_provider_is_a_conflict_and_changes_nothing(store):
    first = await add(store, default_model="keep me")
    other = await add(store, name="other")
    version = await store.version()

    with pytest.raises(Conflict, match="'main'"):
        await add(store, credential={"api_key": "new"})
    with pytest.raises(Conflict, match="'main'"):
        await store.update_connection(other.id, name="main")

    assert await store.connections() == [first, other]
    assert await store.version() == version
    assert (await add(store, provider="elsewhere")).name == "main"


async def test_new_connections_come_last_in_their_providers_order(store):
    names = [(await add(store, name=name, provider=provider)).name for provider in "ab" for name in "xyz"]
    assert [each.priority for each in await store.connections()] == [1, 2, 3, 1, 2, 3]

    await store.update_connection((await store.connections())[2].id, priority=0)
    assert [each.name for each in await store.connections()] == ["z", "x", "y", *names[3:]]


async def test_update_changes_what_was_named_only(store, clock):
    made = await add(store, default_model="m")
    clock.now_s += 5

    changed = await store.update_connection(made.id, state="error", last_error="boom", last_error_at=clock.now_s)

    assert (changed.state, changed.last_error, changed.last_error_at) == ("error", "boom", clock.now_s)
    assert (changed.default_model, changed.credential) == ("m", {"api_key": SECRET})
    assert (changed.created_at, changed.updated_at) == (clock.now_s - 5, clock.now_s)


async def test_update_of_nothing_known_is_refused(store):
    made = await add(store)
    with pytest.raises(NotFound):
        await store.update_connection("nowhere", name="x")
    with pytest.raises(TypeError, match="provider"):
        await store.update_connection(made.id, provider="other")


async def test_delete(store):
    made = await add(store)
    assert await store.delete_connection(made.id)
    assert not await store.delete_connection(made.id)
    assert await store.connections() == []


async def test_a_damaged_credential_costs_only_its_own_connection(store, tmp_path):
    broken, good = await add(store, name="broken"), await add(store, name="good")
    await store._database.write(
        lambda db: db.execute_sql(
            "UPDATE provider_connections SET secret = (SELECT secret FROM provider_connections WHERE id = ?) "
            "WHERE id = ?",
            (good.id, broken.id),
        )
    )

    found = {each.name: each for each in (await store.load_all()).connections}

    assert found["good"] == good
    assert found["broken"].credential == {}
    assert (found["broken"].state, found["broken"].last_error) == ("error", UNREADABLE)
    healed = await store.update_connection(broken.id, credential={"api_key": "again"})
    assert (healed.credential, healed.state) == ({"api_key": "again"}, "unknown")


async def test_refresh_is_for_one_at_a_time(store, clock):
    made = await add(store, auth_type="oauth", state="expired")
    version = await store.version()

    taken = await store.begin_refresh(made.id, "a", clock.now_s, 30)
    again = await asyncio.gather(*(store.begin_refresh(made.id, who, clock.now_s + 29, 30) for who in "ab"))

    assert taken.credential == {"api_key": SECRET}
    assert again == [None, None]
    assert await store.version() == version  # nothing that other workers would have to load

    done = await store.finish_refresh(made.id, "a", {"access_token": "new"}, clock.now_s + 3600)
    assert (done.credential, done.expires_at, done.state) == ({"access_token": "new"}, clock.now_s + 3600, "active")
    assert await store.version() > version
    assert (await store.begin_refresh(made.id, "b", clock.now_s, 30)).credential == {"access_token": "new"}


async def test_refresh_of_a_crashed_process_is_free_after_its_time(store, clock):
    made = await add(store, auth_type="oauth")
    await store.begin_refresh(made.id, "crashed", clock.now_s, 30)

    assert await store.begin_refresh(made.id, "next", clock.now_s + 30, 30) is not None
    with pytest.raises(LeaseLost):
        await store.finish_refresh(made.id, "crashed", {"access_token": "late"}, None)
    assert (await store.connection(made.id)).credential == {"api_key": SECRET}


async def test_late_refresh_counts_while_nobody_has_taken_over(store, clock):
    made = await add(store, auth_type="oauth")
    await store.begin_refresh(made.id, "slow", clock.now_s, 30)
    clock.now_s += 300

    done = await store.finish_refresh(made.id, "slow", {"access_token": "new"}, None)

    assert done.credential == {"access_token": "new"}


async def test_login_during_a_refresh_wins_over_it(store, clock):
    made = await add(store, auth_type="oauth")
    await store.begin_refresh(made.id, "a", clock.now_s, 30)

    await store.update_connection(made.id, credential={"access_token": "from the user"})

    with pytest.raises(LeaseLost):
        await store.finish_refresh(made.id, "a", {"access_token": "from the old login"}, None)
    assert (await store.connection(made.id)).credential == {"access_token": "from the user"}


async def test_abandoned_refresh_is_free_at_once_and_only_its_owner_can_abandon_it(store, clock):
    made = await add(store, auth_type="oauth")
    await store.begin_refresh(made.id, "a", clock.now_s, 30)

    await store.abandon_refresh(made.id, "b")
    assert await store.begin_refresh(made.id, "b", clock.now_s, 30) is None
    await store.abandon_refresh(made.id, "a")
    assert await store.begin_refresh(made.id, "b", clock.now_s, 30) is not None


async def test_refresh_keeps_a_state_that_it_does_not_cure(store, clock):
    made = await add(store, auth_type="oauth", state="credits_exhausted")
    await store.begin_refresh(made.id, "a", clock.now_s, 30)
    assert (await store.finish_refresh(made.id, "a", {}, None)).state == "credits_exhausted"


async def test_refresh_of_nothing_is_told(store, clock):
    with pytest.raises(NotFound):
        await store.begin_refresh("nowhere", "a", clock.now_s, 30)
