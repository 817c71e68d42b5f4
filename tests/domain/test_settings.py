"""Settings: read from the environment, typed, unknown ones refused, secrets masked."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from latentaug.settings import Settings, available_cores, load


def test_a_misspelt_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="LATENTAUG_REDIS_ULR is not a setting; did you mean LATENTAUG_REDIS_URL"):
        load({"LATENTAUG_REDIS_ULR": "x"})


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        load({}, nonsense=1)


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTAUG_PORT", "9001")
    monkeypatch.setenv("LATENTAUG_QUEUES", '["train"]')
    settings = load()
    assert settings.port == 9001
    assert settings.queues == ("train",)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_without_keys_only_a_loopback_address_is_served(host: str) -> None:
    with pytest.raises(ValidationError, match="API_KEYS"):
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


def test_threads_leave_a_core_for_a_second_busy_process() -> None:
    assert load({}).threads == max(1, available_cores() // 2)
