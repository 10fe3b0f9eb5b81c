"""Every setting of the service: its name, unit, default and meaning, in one frozen object.

A field's name in upper case is the environment variable; the same with `_FILE` behind it names a file that
holds the value. `.env` in the working directory is read too. Settings are read at the composition roots
(`cli`, `app`, `worker`) and passed down as values.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from tracesvc.environment import secrets_in_files, unknown_among
from tracesvc.errors import SettingsError

MIB: Final = 1024 * 1024
SECRETS_DIR: Final = Path("/run/secrets")

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Bytes = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """The values in force. Immutable; unknown variables are ignored, see `unknown_names`."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    # What a request may ask, and when it becomes a job (protocol.md, 1)
    trace_async_cid_threshold: int = Field(
        20_000, ge=0, description="containers: above, a trace runs as a job"
    )
    trace_events_cid_limit: int = Field(
        50_000, ge=0, description="containers: above, without jobs available, other than MSD: 413"
    )
    trace_seed_async_value_threshold: int = Field(
        1000, ge=0, description="values: above, seeds by themselves are resolved in a job"
    )
    trace_seed_async_day_threshold: int = Field(
        31, ge=0, description="days of a range: above, seeds by themselves are resolved in a job"
    )
    trace_lineage_async_cid_threshold: int = Field(
        5000, ge=0, description="containers: above, a lineage by itself runs as a job"
    )
    trace_max_body_bytes: Bytes = Field(32 * MIB, description="bytes: a larger request body is 413")
    trace_slow_threshold_seconds: Seconds = Field(
        15.0, description="seconds: a warning when the first records of an answer at once take longer"
    )

    # Jobs
    trace_worker_enabled: bool = Field(default=True, description="false: never answer with a job")
    trace_worker_count: int = Field(1, ge=0, description="worker processes that `tracesvc up` starts")
    trace_worker_queue: str = Field("trace-events", min_length=1, description="name of the queue (arq)")
    trace_worker_max_jobs: Count = Field(4, description="jobs that one worker process runs at once")
    trace_job_ttl_seconds: Count = Field(3600, description="seconds: how long a result stays after its end")
    trace_job_timeout_seconds: Count = Field(1800, description="seconds: how long a job may run")
    trace_job_max_result_bytes: Bytes = Field(2048 * MIB, description="bytes in Redis of one job's result")
    trace_queue_max_jobs: Count = Field(1000, description="jobs that may wait or run at once: above, 429")
    trace_caller_max_jobs: Count = Field(10, description="jobs of one caller at once: above, 429")
    trace_job_max_attempts: Count = Field(5, description="workers that may be lost to one job")
    trace_export_max_concurrent: Count = Field(4, description="files that one API process writes at once")
    trace_lease_seconds: Seconds = Field(15.0, description="seconds: a silent worker is given up after this")

    # How a trace is cut and fetched
    trace_stream_batch_size: int = Field(5000, ge=1, le=50_000, description="records a line, at most")
    trace_unit_cids: int = Field(1000, ge=1, le=1000, description="containers a statement, at most")
    trace_events_max_workers: Count = Field(2, description="domains fetched at once, per job")
    event_fetcher_max_workers: Count = Field(2, description="statements at once, per domain of a job")
    event_fetcher_cache_skip_cid_threshold: int = Field(
        10_000, ge=0, description="containers: above, a trace passes the event cache by"
    )
    trace_stage_cache_seconds: int = Field(
        300, ge=0, description="seconds: how long answered seeds and lineages are used again"
    )
    trace_scratch_memory_mib: int = Field(
        128, ge=32, description="MiB: memory limit of a temporary database (seeds of a range, lineage)"
    )
    trace_event_cache_max_bytes: int = Field(256 * MIB, ge=0, description="bytes in Redis of the event cache")
    db_slow_fetchmany_size: Count = Field(5000, description="rows a round trip to the source")
    db_slow_call_timeout_ms: Count = Field(300_000, description="milliseconds: time limit of a statement")
    db_slow_max_concurrent: Count = Field(
        5, description="statements at once over all processes that share a Redis; others wait"
    )
    trace_db_slot_wait_seconds: Seconds = Field(
        20.0,
        description="seconds: an answer at once waits this long for its first statement's turn, then 503",
    )
    trace_source_patience_seconds: Seconds = Field(
        30.0, description="seconds: a job waits this long for a source that is away"
    )
    trace_db_local_max_concurrent: Count = Field(
        1, description="statements at once in one process while Redis is away"
    )

    # The mid-section defect analysis
    trace_aggregation_memory_mib: int = Field(
        256, ge=128, description="MiB: memory limit of an analysis; what is more goes to disk"
    )
    trace_aggregation_processes: Count = Field(
        2, description="processes that answer analyses, per API or worker process; others wait"
    )
    trace_aggregation_cache_max_bytes: Bytes = Field(
        1024 * MIB, description="bytes of analysis files that are kept under TRACE_DATA_DIR"
    )

    # Where things are
    trace_source_url: str = Field(
        "", description="the plant: duckdb:///abs/plant.duckdb, duckdb:///abs/dir, oracle://"
    )
    db_host: str = Field("", description="Oracle: the database's host")
    db_port: int = Field(1521, ge=1, le=65535, description="Oracle: the listener's port")
    db_service: str = Field("", description="Oracle: the service's name")
    db_dsn: str = Field(
        "", description="Oracle: a whole connect string or a tnsnames.ora name, instead of the three above"
    )
    db_user: str = Field("", description="Oracle: the user; it needs SELECT on the catalogue's tables only")
    db_password: SecretStr = Field(SecretStr(""), description="Oracle: the password")
    db_wallet_dir: str = Field(
        "", description="Oracle: folder with tnsnames.ora and ewallet.pem, for TLS with a wallet"
    )
    db_wallet_password: SecretStr = Field(SecretStr(""), description="Oracle: the password of ewallet.pem")
    trace_db_pool_size: Count = Field(16, description="sessions with Oracle at once, per process")
    trace_db_pool_wait_seconds: Seconds = Field(
        300.0, description="seconds: a statement waits this long for a session"
    )
    trace_db_connect_seconds: Seconds = Field(10.0, description="seconds: time limit of a sign-in to Oracle")
    trace_db_ping_seconds: Seconds = Field(
        60.0, description="seconds: a session that was idle longer is tested before it is used"
    )
    trace_db_session_seconds: Seconds = Field(
        3600.0, description="seconds: a session that is older is replaced"
    )
    trace_db_sign_in_pause_seconds: Seconds = Field(
        60.0, description="seconds: no sign-in after Oracle refused the password, so that it locks no account"
    )
    trace_db_reader: Literal["arrow", "rows"] = Field(
        "arrow", description="how Oracle is read: arrow, or rows (for comparison; half as fast)"
    )
    trace_db_prefetch_rows: int = Field(
        5000, ge=0, description="rows that come with the statement itself, with TRACE_DB_READER=rows"
    )
    trace_duckdb_memory_mib: Count = Field(
        256, description="MiB: memory limit of the embedded source's DuckDB"
    )
    trace_duckdb_threads: Count = Field(2, description="threads of the embedded source's DuckDB")
    trace_encoder_threads: Count = Field(1, description="threads of a worker that encode what it reads")
    trace_redis_url: SecretStr = Field(
        SecretStr(""),
        description="redis://, rediss://, unix://, redis+sentinel://; empty: `tracesvc up` starts one",
    )
    trace_results_redis_url: SecretStr = Field(
        SecretStr(""), description="a Redis of their own for results, also redis+cluster://; empty: the same"
    )
    trace_redis_prefix: str = Field("", description="text in front of every key of ours in Redis")
    trace_redis_max_connections: Count = Field(16, description="connections to Redis, per process")
    trace_url: str = Field(
        "",
        description="the service that the command line asks; empty: the one at TRACE_HOST, TRACE_PORT",
    )
    trace_api_key: SecretStr = Field(SecretStr(""), description="the key that the command line asks with")
    trace_host: str = Field("127.0.0.1", description="address the API listens on")
    trace_port: int = Field(8000, ge=0, le=65535, description="port the API listens on")
    trace_page_max_memory_bytes: Bytes = Field(
        700 * MIB, description="bytes of records that the page holds in a browser; it reads on by windows"
    )
    trace_catalogue: str = Field("", description="path of a catalogue file; empty: the built-in one")
    trace_data_dir: Path = Field(
        Path(platformdirs.user_data_dir("tracesvc")),
        description="where the default plant, embedded Redis and analysis files live",
    )
    trace_plant_timezone: str = Field("Asia/Taipei", description="IANA time zone of the plant's clock")

    # What is seen from outside
    trace_log_format: Literal["text", "json"] = Field(
        "text", description="text for people, json (a document a line) for collectors"
    )
    trace_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="the least of our own log lines that is written"
    )
    trace_worker_metrics_address: str = Field(
        "",
        pattern=r"^(.+:\d{1,5})?$",
        description="host:port where a worker shows its metrics; empty: nowhere",
    )
    trace_otlp_endpoint: str = Field(
        "", description="OTLP/HTTP collector for traces (http://host:4318); empty: none are made"
    )

    # Who may ask, and how much
    trace_api_keys_file: str = Field(
        "", description="path of the file of API keys that `tracesvc keys` writes; empty: no keys"
    )
    trace_oidc_issuer: str = Field(
        "", description="https:// address of an OpenID Connect issuer whose bearer tokens are taken"
    )
    trace_oidc_audience: str = Field("", description="the audience that such a token must be made for")
    trace_oidc_client_id: str = Field("", description="the client by which the page signs in at the issuer")
    trace_oidc_name_claim: str = Field("sub", description="claim that names the caller")
    trace_oidc_role_claim: str = Field(
        "roles", description="claim that lists the caller's roles; a dotted path looks inside of others"
    )
    trace_oidc_operator_role: str = Field(
        "tracesvc-operator", description="the role that sees everybody's jobs"
    )
    trace_secrets_dir: Path = Field(
        SECRETS_DIR, description="folder of files that hold one setting each, named for it: trace_redis_url …"
    )
    trace_insecure: bool = Field(
        default=False, description="true: listen for other machines though nothing asks who they are"
    )
    trace_seed_rate_limit_max_requests: Count = Field(10, description="seed resolutions of a caller a window")
    trace_seed_rate_limit_window_seconds: Count = Field(60, description="seconds: that window")
    trace_lineage_rate_limit_max_requests: Count = Field(10, description="lineages of a caller a window")
    trace_lineage_rate_limit_window_seconds: Count = Field(60, description="seconds: that window")
    trace_events_rate_limit_max_requests: Count = Field(15, description="traces of a caller a window")
    trace_events_rate_limit_window_seconds: Count = Field(60, description="seconds: that window")
    trace_job_rate_limit_max_requests: Count = Field(
        60, description="requests of a caller a window for status, list, coverage, catalogue, delete"
    )
    trace_job_rate_limit_window_seconds: Count = Field(60, description="seconds: that window")
    trace_result_rate_limit_max_requests: Count = Field(
        600, description="requests of a caller a window for streams, pages, exports, analyses"
    )
    trace_result_rate_limit_window_seconds: Count = Field(60, description="seconds: that window")
    trace_cors_origins: str = Field(
        "", description="origins, by commas, whose pages may ask from a browser; empty: our own page only"
    )
    trace_forwarded_allow_ips: str = Field(
        "", description="addresses of proxies, by commas, whose X-Forwarded-For and -Proto are believed"
    )
    trace_max_connections: Count = Field(4096, description="connections to one API process: above, 503")
    trace_max_header_bytes: Bytes = Field(65_536, description="bytes of a request's head: above, 431")
    trace_header_timeout_seconds: Seconds = Field(10.0, description="seconds: a request's head must be there")
    trace_body_timeout_seconds: Seconds = Field(120.0, description="seconds: a request's body must be there")
    trace_send_timeout_seconds: Seconds = Field(
        300.0, description="seconds: a client that takes nothing for so long is cut off"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins, then files it names (`DB_PASSWORD_FILE`), `.env`, the secrets' folder."""
        files = InitSettingsSource(settings_cls, secrets_in_files(settings_cls.model_fields))
        return init_settings, env_settings, files, dotenv_settings, file_secret_settings

    @field_validator("trace_plant_timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            message = f"{name!r} is no IANA time zone (an example: Asia/Taipei)"
            raise ValueError(message) from error
        return name

    @property
    def redis_url(self) -> str:
        """The Redis address in clear text, for the client that connects; never for a log."""
        return self.trace_redis_url.get_secret_value()

    @property
    def results_redis_url(self) -> str:
        """The same of the results' Redis; empty when it is the queue's."""
        return self.trace_results_redis_url.get_secret_value()


def load_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`; `overrides` (field name to value) win.

    Files of the secrets' folder count less than both. Raises `SettingsError`, which names each wrong variable
    and never shows its value.
    """
    secrets = Path(os.environ.get("TRACE_SECRETS_DIR", SECRETS_DIR))
    try:
        return Settings(_secrets_dir=secrets if secrets.is_dir() else None, **overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)]
        raise SettingsError("; ".join(problems)) from None


def unknown_names(names: Iterable[str]) -> dict[str, str | None]:
    """Variables that look like settings but are none, each with the nearest real name."""
    return unknown_among(names, Settings.model_fields)
