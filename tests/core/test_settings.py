"""Settings: where values come from, what is refused, and that secrets stay secret."""

import re
from pathlib import Path

import pytest
from attrs import fields

from core.settings import Settings, SettingsError, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SECRETS = ("INITIAL_PASSWORD", "JWT_SECRET", "API_KEY_SECRET", "STORAGE_ENCRYPTION_KEY")


def load(environ=None, *files):
    return load_settings({"HOME": "/home/somebody", **(environ or {})}, files)


def test_defaults_need_no_environment():
    settings = load()

    assert settings.data_dir == Path("/home/somebody/.omniroute")
    assert (settings.host, settings.port, settings.base_url) == ("127.0.0.1", 20128, "http://localhost:20128")
    assert settings.initial_password is settings.jwt_secret is settings.api_key_secret is None
    assert not settings.require_api_key
    assert not settings.allow_api_key_reveal
    assert settings.app_log_to_file
    assert settings.provider_limits_sync_interval_minutes == 70
    assert settings.max_body_bytes == 32 * 1024 * 1024
    assert settings.drain_timeout_s == 30
    assert settings.disabled_plugins == ()


def test_real_environment_wins_over_first_file_over_second(tmp_path):
    near, far = tmp_path / "near.env", tmp_path / "far.env"
    near.write_text("PORT=2000\nHOSTNAME=127.0.0.2\n")
    far.write_text("PORT=3000\nHOSTNAME=127.0.0.3\nREQUIRE_API_KEY=yes\n")

    settings = load({"PORT": "1000"}, near, far)

    assert (settings.port, settings.host, settings.require_api_key) == (1000, "127.0.0.2", True)


def test_default_files_are_the_working_directory_then_the_home(tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    (home / ".omniroute").mkdir(parents=True)
    here.mkdir()
    (home / ".omniroute" / ".env").write_text("PORT=3000\nAPP_LOG_TO_FILE=off\n")
    (here / ".env").write_text("PORT=2000\n")
    monkeypatch.chdir(here)

    settings = load_settings({"HOME": str(home)})

    assert (settings.port, settings.app_log_to_file) == (2000, False)


def test_empty_variable_counts_as_unset(tmp_path):
    file = tmp_path / ".env"
    file.write_text("PORT=2000\n")
    assert load({"PORT": "", "REQUIRE_API_KEY": "  "}, file).port == 2000


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "on", " on "])
def test_words_for_true(text):
    assert load({"REQUIRE_API_KEY": text}).require_api_key is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "off"])
def test_words_for_false(text):
    assert load({"APP_LOG_TO_FILE": text}).app_log_to_file is False


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("REQUIRE_API_KEY", "ja"),
        ("AUTH_COOKIE_SECURE", "2"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "8e3"),
        ("PORT", "2_000"),
        ("PORT", "٢٠١٢٨"),
        ("PORT", "9" * 5000),
        ("PROVIDER_LIMITS_SYNC_INTERVAL_MINUTES", "0"),
        ("OMNIROUTE_MAX_BODY_MB", "1.5"),
        ("OMNIROUTE_DRAIN_SECONDS", "-1"),
        ("OMNIROUTE_DRAIN_SECONDS", "nan"),
        ("BASE_URL", "localhost:20128"),
        ("BASE_URL", "http://"),
        ("BASE_URL", "http://host:port"),
        ("BASE_URL", "http://user:word@host"),
        ("BASE_URL", "ftp://host"),
    ],
)
def test_wrong_value_is_refused_by_name_and_value(name, text):
    with pytest.raises(SettingsError) as caught:
        load({name: text})
    (problem,) = caught.value.problems
    assert name in problem
    assert text in problem


def test_all_problems_are_told_at_once():
    with pytest.raises(SettingsError) as caught:
        load({"PORT": "x", "REQUIRE_API_KEY": "maybe", "BASE_URL": "nowhere"})
    assert len(caught.value.problems) == 3
    for name in ("PORT", "REQUIRE_API_KEY", "BASE_URL"):
        assert name in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("INITIAL_PASSWORD", "123456"), ("STORAGE_ENCRYPTION_KEY", "tooshort")])
def test_weak_secret_is_refused_without_being_shown(name, text):
    with pytest.raises(SettingsError) as caught:
        load({name: text})
    assert name in str(caught.value)
    assert text not in str(caught.value)


def test_secrets_stay_out_of_repr():
    secret = "a-very-secret-value-1234"
    settings = load(dict.fromkeys(SECRETS, secret))

    assert settings.initial_password == settings.storage_encryption_key == secret
    assert secret not in repr(settings)


def test_password_in_a_file_arrives_as_written(tmp_path):
    file = tmp_path / ".env"
    file.write_text("INITIAL_PASSWORD='pa$s ${HOME} #word '\n")
    assert load(None, file).initial_password == "pa$s ${HOME} #word "


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("::1", "::1"),
        ("[::]", "::"),
        ("localhost", "localhost"),
        ("3f2a9c1e7b44", "127.0.0.1"),
        ("build-box.example.com", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
    ],
)
def test_hostname_counts_only_as_an_address(text, host):
    assert load({"HOSTNAME": text}).host == host


def test_base_url_follows_the_port_unless_set():
    assert load({"PORT": "4000"}).base_url == "http://localhost:4000"
    assert load({"PORT": "4000", "BASE_URL": "https://gw.example.com/a/"}).base_url == "https://gw.example.com/a"


def test_data_dir_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load({"DATA_DIR": "~/elsewhere"}).data_dir == Path("/home/somebody/elsewhere")
    assert load({"DATA_DIR": "state/../data"}).data_dir == tmp_path / "data"


def test_disabled_plugins_are_a_comma_list():
    assert load({"OMNIROUTE_DISABLED_PLUGINS": "echo, , deepgram,"}).disabled_plugins == ("echo", "deepgram")


def test_provider_override_reads_its_variable(tmp_path):
    file = tmp_path / ".env"
    file.write_text("OMNIROUTE_MY_NODE_BASE_URL=http://127.0.0.1:9/v1\n")
    settings = load({"OMNIROUTE_CC_TOKEN_URL": "http://127.0.0.1:8/token", "OMNIROUTE_CC_EMPTY": ""}, file)

    assert settings.provider_override("cc", "token_url") == "http://127.0.0.1:8/token"
    assert settings.provider_override("my-node", "base_url") == "http://127.0.0.1:9/v1"
    assert settings.provider_override("cc", "empty") is None
    assert settings.provider_override("cc", "unset") is None


def test_example_file_explains_every_variable_and_shows_its_default():
    text = EXAMPLE.read_text()
    shown = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text, flags=re.M))
    known = {each.metadata["env"] for each in fields(Settings) if "env" in each.metadata}

    assert set(shown) - {"OMNIROUTE_CC_TOKEN_URL"} == known
    assert load(shown) == load()
