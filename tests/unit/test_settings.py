"""Settings: what the environment says, what wins, and what a wrong value reads like."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tracesvc.errors import SettingsError
from tracesvc.settings import MIB, Settings, load_settings, unknown_names

DEFAULTS = {
    "trace_async_cid_threshold": 20_000,
    "trace_events_cid_limit": 50_000,
    "trace_job_ttl_seconds": 3600,
    "trace_job_timeout_seconds": 1800,
    "trace_worker_enabled": True,
    "trace_worker_count": 1,
    "trace_worker_queue": "trace-events",
    "trace_stream_batch_size": 5000,
    "trace_events_max_workers": 2,
    "event_fetcher_max_workers": 2,
    "event_fetcher_cache_skip_cid_threshold": 10_000,
    "db_slow_fetchmany_size": 5000,
    "db_slow_call_timeout_ms": 300_000,
    "db_slow_max_concurrent": 5,
    "trace_db_local_max_concurrent": 1,
    "trace_host": "127.0.0.1",
    "trace_port": 8000,
    "trace_slow_threshold_seconds": 15.0,
    "trace_max_body_bytes": 32 * MIB,
    "trace_job_max_result_bytes": 2048 * MIB,
    "trace_event_cache_max_bytes": 256 * MIB,
    "trace_queue_max_jobs": 1000,
    "trace_caller_max_jobs": 10,
    "trace_redis_prefix": "",
    "trace_catalogue": "",
    "trace_plant_timezone": "Asia/Taipei",
}

WRONG_VALUES = [
    ("TRACE_ASYNC_CID_THRESHOLD", "-1"),
    ("TRACE_ASYNC_CID_THRESHOLD", "many"),
    ("TRACE_ASYNC_CID_THRESHOLD", "1.5"),
    ("TRACE_ASYNC_CID_THRESHOLD", ""),
    ("TRACE_MAX_BODY_BYTES", "0"),
    ("TRACE_STREAM_BATCH_SIZE", "0"),
    ("TRACE_STREAM_BATCH_SIZE", "50001"),
    ("TRACE_UNIT_CIDS", "1001"),
    ("TRACE_WORKER_ENABLED", "perhaps"),
    ("TRACE_WORKER_COUNT", "-1"),
    ("TRACE_WORKER_QUEUE", ""),
    ("TRACE_LEASE_SECONDS", "0"),
    ("TRACE_SLOW_THRESHOLD_SECONDS", "nan"),
    ("TRACE_PORT", "65536"),
    ("DB_SLOW_CALL_TIMEOUT_MS", "0"),
    ("TRACE_PLANT_TIMEZONE", "Asia/Atlantis"),
    ("TRACE_PLANT_TIMEZONE", "../etc/passwd"),
]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variable of ours is set and the working directory holds no `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_are_the_documented_ones() -> None:
    settings = load_settings()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_environment_sets_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_ASYNC_CID_THRESHOLD", "7")
    assert load_settings().trace_async_cid_threshold == 7


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False), ("0", False)])
def test_switches_read_the_usual_words(monkeypatch: pytest.MonkeyPatch, text: str, *, value: bool) -> None:
    monkeypatch.setenv("TRACE_WORKER_ENABLED", text)
    assert load_settings().trace_worker_enabled is value


def test_dotenv_in_the_working_directory_is_read(bare_environment: Path) -> None:
    (bare_environment / ".env").write_text("TRACE_WORKER_QUEUE=線上\n", encoding="utf-8")
    assert load_settings().trace_worker_queue == "線上"


def test_the_environment_wins_over_dotenv(bare_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare_environment / ".env").write_text("TRACE_PORT=1\n", encoding="utf-8")
    monkeypatch.setenv("TRACE_PORT", "2")
    assert load_settings().trace_port == 2


def test_a_secret_may_stand_in_a_file_that_the_environment_names(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = bare_environment / "password"
    secret.write_text("線上 tiger\n", encoding="utf-8")
    monkeypatch.setenv("DB_PASSWORD_FILE", str(secret))
    assert load_settings().db_password.get_secret_value() == "線上 tiger"
    (bare_environment / ".env").write_text("DB_PASSWORD=other\n", encoding="utf-8")
    assert load_settings().db_password.get_secret_value() == "線上 tiger"
    monkeypatch.setenv("DB_PASSWORD", "mine")
    assert load_settings().db_password.get_secret_value() == "mine"


def test_a_secret_s_file_that_cannot_be_read_is_told_by_its_variable(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD_FILE", str(bare_environment / "none"))
    with pytest.raises(SettingsError, match="DB_PASSWORD_FILE"):
        load_settings()


def test_overrides_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_PORT", "2")
    assert load_settings(trace_port=3).trace_port == 3


def test_foreign_variables_are_left_alone(bare_environment: Path) -> None:
    before = load_settings()
    (bare_environment / ".env").write_text("COMPOSE_PROJECT_NAME=plant\n", encoding="utf-8")
    assert load_settings() == before


@pytest.mark.parametrize(("name", "value"), WRONG_VALUES)
def test_a_wrong_value_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load_settings()


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_PORT", "x")
    monkeypatch.setenv("TRACE_WORKER_COUNT", "x")
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert "TRACE_PORT" in refusal.value.detail
    assert "TRACE_WORKER_COUNT" in refusal.value.detail


def test_a_refusal_does_not_show_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_PORT", "hunter2-in-the-wrong-variable")
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert "hunter2" not in str(refusal.value)


def test_secrets_stay_out_of_print() -> None:
    settings = load_settings(trace_redis_url="redis://:s3cret@127.0.0.1:1/0")
    shown = f"{settings!r} {settings} {settings.model_dump()}"
    assert "s3cret" not in shown
    assert settings.redis_url == "redis://:s3cret@127.0.0.1:1/0"


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.trace_port = 1  # type: ignore[misc]


def test_a_mistyped_name_is_reported_with_the_nearest_real_one() -> None:
    assert unknown_names(["TRACE_ASYNC_CID_TRESHOLD"]) == {
        "TRACE_ASYNC_CID_TRESHOLD": "TRACE_ASYNC_CID_THRESHOLD"
    }


def test_a_name_like_nothing_of_ours_is_reported_without_a_guess() -> None:
    assert unknown_names(["TRACE_ZZZZZZZZZZZZZZZZZZZZ"]) == {"TRACE_ZZZZZZZZZZZZZZZZZZZZ": None}


def test_real_names_and_foreign_names_are_not_reported() -> None:
    assert unknown_names(["TRACE_PORT", "DB_SLOW_MAX_CONCURRENT", "PATH", "DB_HOST", "DB_CUSTOM"]) == {}
