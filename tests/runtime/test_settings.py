"""Settings: read from the environment, typed, unknown ones refused, secrets masked."""

import secrets
import sys
import traceback
from pathlib import Path

import pytest

from latentaug.errors import Conflict
from latentaug.runtime.settings import Settings, available_cores, load


def test_a_misspelt_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="LATENTAUG_REDIS_ULR is not a setting; did you mean LATENTAUG_REDIS_URL"):
        load({"LATENTAUG_REDIS_ULR": "x"})


def test_by_default_the_home_is_the_users_wherever_a_command_is_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    here = load({}).home
    monkeypatch.chdir(tmp_path)
    assert load({}).home == here
    assert here.is_absolute()
    if sys.platform == "linux":
        assert here == tmp_path / "data" / "latentaug"


def test_where_callers_look_for_the_service_is_none_of_its_business() -> None:
    load({"LATENTAUG_URL": "http://elsewhere", "LATENTAUG_KEY": "secret"})


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValueError, match="LATENTAUG_NONSENSE: Extra inputs are not permitted"):
        load({}, nonsense=1)


def test_each_bad_value_gets_one_line_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTAUG_PORT", "eighty")
    monkeypatch.setenv("LATENTAUG_THREADS", "0")
    with pytest.raises(ValueError, match="LATENTAUG_PORT") as caught:
        load()
    assert str(caught.value).splitlines() == [
        "LATENTAUG_PORT: Input should be a valid integer, unable to parse string as an integer",
        "LATENTAUG_THREADS: Input should be greater than or equal to 1",
    ]


@pytest.mark.parametrize("queues", ["train", "train,evaluate", '["trian"]'])
def test_queues_that_cannot_be_read_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, queues: str) -> None:
    monkeypatch.setenv("LATENTAUG_QUEUES", queues)
    with pytest.raises(ValueError, match=r"^LATENTAUG_QUEUES: [^\n]+$"):
        load()


def test_a_refusal_shows_no_value_not_even_in_its_traceback() -> None:
    secret = secrets.token_hex()
    with pytest.raises(ValueError, match="LATENTAUG_") as caught:
        load({}, api_keys=[f"{secret}:infer"], redis_url=[f"redis://:{secret}@host"], store_url=[f"s3://{secret}"])
    assert len(str(caught.value).splitlines()) == 3
    assert secret not in "".join(traceback.format_exception(caught.value))
    assert "https://" not in str(caught.value)


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTAUG_PORT", "9001")
    monkeypatch.setenv("LATENTAUG_QUEUES", '["train"]')
    settings = load()
    assert settings.port == 9001
    assert settings.queues == ("train",)


def test_a_given_environment_is_read_instead_of_the_processs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTAUG_PORT", "9001")
    monkeypatch.setenv("LATENTAUG_THREADS", "many")
    settings = load({"LATENTAUG_HOME": "/srv/latentaug", "latentaug_queues": '["evaluate"]', "PATH": "/bin"})
    assert settings.home == Path("/srv/latentaug")
    assert settings.queues == ("evaluate",)
    assert settings.port == 8000
    with pytest.raises(ValueError, match="LATENTAUG_PORT: "):
        load({"LATENTAUG_PORT": "eighty"})


def test_what_the_caller_passes_wins_over_the_environment() -> None:
    assert load({"LATENTAUG_PORT": "9001"}, port=9002).port == 9002


def test_settings_made_by_hand_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTAUG_PORT", "9001")
    assert Settings().port == 8000


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_without_keys_only_a_loopback_address_is_served(host: str) -> None:
    with pytest.raises(ValueError, match=r"^host .* can be reached from outside: set LATENTAUG_API_KEYS"):
        load({}, host=host)
    assert not load({}, host=host, api_keys="secret:infer").on_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_a_loopback_address_needs_no_keys(host: str) -> None:
    assert load({}, host=host).on_loopback


def test_secrets_are_masked() -> None:
    shown = repr(load({}, api_keys="topsecret:infer", redis_url="redis://:hidden@host"))
    assert "topsecret" not in shown
    assert "hidden" not in shown


def test_everything_lives_under_home_by_default(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.resolved_store_url == f"file://{tmp_path}/store"
    assert settings.resolved_model_server_url == f"unix://{tmp_path}/model-server.sock"


def test_several_model_servers_are_named_with_commas_and_are_too_many_for_one(tmp_path: Path) -> None:
    settings = load({"LATENTAUG_MODEL_SERVER_URL": "http://a:1, unix:///b, http://a:1"})

    assert settings.model_server_urls == ["http://a:1", "unix:///b"]
    with pytest.raises(Conflict, match="LATENTAUG_MODEL_SERVER_URL names several"):
        _ = settings.resolved_model_server_url
    assert Settings(home=tmp_path / "a,b").model_server_urls == [f"unix://{tmp_path}/a,b/model-server.sock"]


def test_a_home_of_any_length_has_a_socket_that_the_system_takes() -> None:
    homes = [Path("/" + "x" * length) for length in (80, 90, 200)]
    paths = [Settings(home=home).resolved_model_server_url.removeprefix("unix://") for home in homes]
    assert paths[0] == f"{homes[0]}/model-server.sock"
    assert all(len(path) <= 103 for path in paths)
    assert len(set(paths)) == 3


def test_threads_leave_a_core_for_a_second_busy_process() -> None:
    assert load({}).threads == max(1, available_cores() // 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redis_url", "localhost:6379"),
        ("store_url", "my-bucket"),
        ("model_server_url", "/run/model-server.sock"),
        ("model_server_url", "http://127.0.0.2:8001, 127.0.0.3:8001"),
        ("rate_limit", "very fast"),
    ],
)
def test_a_value_of_the_wrong_form_is_named_with_an_example_of_the_right_one(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"LATENTAUG_{name.upper()}: .*must look like") as caught:
        load({}, **{name: value})
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("root_path", "aug", "LATENTAUG_ROOT_PATH: must look like /aug"),
        ("root_path", "/aug/", "LATENTAUG_ROOT_PATH: must look like /aug"),
        ("root_path", "/v1", "LATENTAUG_ROOT_PATH: must look like /aug"),
        ("cors_origins", "example.org", "LATENTAUG_CORS_ORIGINS: must look like https://app.example.org"),
        ("cors_origins", "https://example.org/page", "LATENTAUG_CORS_ORIGINS: must look like https://app.example.org"),
        ("cors_origins", "*", "any web site could use the service"),
        ("trusted_proxies", "proxy", "LATENTAUG_TRUSTED_PROXIES: must be addresses or networks"),
        ("webhook_networks", "10.0.0.0/99", "LATENTAUG_WEBHOOK_NETWORKS: must be addresses or networks"),
        ("webhook_secret", "too short", "LATENTAUG_WEBHOOK_SECRET: must be whsec_ and base64 of 24 to 64"),
        ("webhook_secret", "whsec_c2hvcnQ=", "LATENTAUG_WEBHOOK_SECRET: must be whsec_ and base64 of 24 to 64"),
    ],
)
def test_what_the_web_may_do_is_checked_at_start(setting: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"LATENTAUG_") as caught:
        load({f"LATENTAUG_{setting.upper()}": value})
    assert said in str(caught.value)
    assert setting != "webhook_secret" or value not in str(caught.value)


def test_with_keys_all_sites_may_be_allowed() -> None:
    assert load({"LATENTAUG_CORS_ORIGINS": "*", "LATENTAUG_API_KEYS": "key:infer"}).cors_origins == "*"
