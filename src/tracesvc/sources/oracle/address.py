"""From settings to a sign-in: host and service, a whole DSN, or a wallet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import oracledb

from tracesvc.errors import SourceConfigError
from tracesvc.settings import Settings

FRAME_BYTES: Final = 65535
"""Size of a packet that is asked for (SDU): a statement of 1000 ids has 60 kB of binds, which then go out in
one packet; the database may agree to less."""
_SESSION: Final = (
    "ALTER SESSION SET NLS_SORT = BINARY NLS_COMP = BINARY NLS_NUMERIC_CHARACTERS = '.,'"
    " NLS_DATE_FORMAT = 'YYYY-MM-DD HH24:MI:SS' NLS_TERRITORY = AMERICA NLS_LANGUAGE = AMERICAN"
)
"""Order and formats of a session, whatever the client's machine or the database say."""


def sign_in(settings: Settings) -> Callable[[], oracledb.Connection]:
    """What opens a connection. Raises `SourceConfigError` when the settings name no database."""
    oracledb.defaults.fetch_lobs = False
    params = _params(settings)

    def connect() -> oracledb.Connection:
        connection = oracledb.connect(params=params)
        try:
            connection.call_timeout = round(1000 * settings.trace_db_connect_seconds)
            with connection.cursor() as cursor:
                cursor.execute(_SESSION)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _params(settings: Settings) -> oracledb.ConnectParams:
    _refuse_incomplete(settings)
    params: oracledb.ConnectParams = oracledb.ConnectParams(
        user=settings.db_user,
        password=settings.db_password.get_secret_value(),
        tcp_connect_timeout=settings.trace_db_connect_seconds,
        sdu=FRAME_BYTES,
        retry_count=0,
        program="tracesvc",
    )
    if settings.db_wallet_dir:
        params.set(
            config_dir=settings.db_wallet_dir,
            wallet_location=settings.db_wallet_dir,
            wallet_password=settings.db_wallet_password.get_secret_value() or None,
        )
    if not settings.db_dsn:
        params.set(host=settings.db_host, port=settings.db_port, service_name=settings.db_service)
        return params
    try:
        params.parse_connect_string(settings.db_dsn)
    except oracledb.Error as error:
        raise SourceConfigError(
            "DB_DSN is no connect string: host:port/service, (DESCRIPTION=…), or a name in the tnsnames.ora"
            " of DB_WALLET_DIR"
        ) from error
    return params


def _refuse_incomplete(settings: Settings) -> None:
    missing = [
        name
        for name, value in (
            ("DB_HOST (or DB_DSN)", settings.db_host or settings.db_dsn),
            ("DB_SERVICE (or DB_DSN)", settings.db_service or settings.db_dsn),
            ("DB_USER", settings.db_user),
            ("DB_PASSWORD", settings.db_password.get_secret_value()),
        )
        if not value
    ]
    if missing:
        raise SourceConfigError(
            f"TRACE_SOURCE_URL is oracle://, so these are needed too: {', '.join(missing)}"
        )


def identity(settings: Settings) -> str:
    """A name for the database and its user that shows neither."""
    place = settings.db_dsn or f"{settings.db_host}:{settings.db_port}/{settings.db_service}"
    digest = hashlib.sha256(f"{place}\0{settings.db_user}".encode())
    return f"oracle:{digest.hexdigest()[:16]}"
