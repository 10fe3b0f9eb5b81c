"""What ORA- and DPY- codes mean for a trace: tried again, halved, given up, or no more sign-ins for a while.

A message holds the code and, when the catalogue knows it, the name of a table or column: never the driver's
own text, which may quote SQL, values and addresses. That text goes to the log, at debug.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from typing import Final

import oracledb

from tracesvc.errors import SourceTimeout, SourceTooLarge, SourceUnavailable, TraceError
from tracesvc.sources.base import (
    CatalogueMismatch,
    NotAllowed,
    SignInRefused,
    SourceError,
    ValueRefused,
)

logger: Final = logging.getLogger(__name__)

BROKEN_OFF: Final = "ORA-01013"
TOO_WIDE: Final = "DPY-4042"
CALL_TIMEOUT: Final = "DPY-4024"

_TOLD: Final[tuple[tuple[type[TraceError], str, frozenset[str]], ...]] = (
    (
        SourceTimeout,
        "a statement took longer than the database or DB_SLOW_CALL_TIMEOUT_MS allows",
        frozenset(
            {CALL_TIMEOUT, BROKEN_OFF, "ORA-00040", "ORA-02393",
             "ORA-02395", "ORA-03136", "ORA-12535", "ORA-56735"}
        ),
    ),
    (
        SourceTooLarge,
        "the database ran out of undo, memory or temporary space for a statement",
        frozenset(
            {"ORA-01555", "ORA-01652", "ORA-01795", "ORA-04030",
             "ORA-04031", "ORA-04036", "ORA-30036", "ORA-10260"}
        ),
    ),
    (
        ValueRefused,
        "the database holds a value that cannot be read as its column declares",
        frozenset(
            {TOO_WIDE, "DPY-4002", "DPY-4036", "DPY-4037", "ORA-01426", "ORA-01476", "ORA-01722", "ORA-01830",
             "ORA-01839", "ORA-01841", "ORA-01843", "ORA-01847", "ORA-01858", "ORA-01861", "ORA-06502",
             "ORA-29275"}
        ),
    ),
    (
        SignInRefused,
        (
            "the database refuses the user or password: check DB_USER and DB_PASSWORD, and whether the"
            " account is locked or its password has expired"
        ),
        frozenset(
            {"ORA-01005", "ORA-01017", "ORA-01045", "ORA-01918", "ORA-28000", "ORA-28001", "ORA-28003",
             "ORA-28007", "ORA-28030", "ORA-28040", "ORA-28365", "DPY-4001", "DPY-4035", "DPY-3015"}
        ),
    ),
    (
        NotAllowed,
        "the database's user may not read what a statement asks for: grant it SELECT",
        frozenset({"ORA-01031", "ORA-01720", "ORA-01749", "ORA-28112", "ORA-28113", "ORA-41900"}),
    ),
    (
        CatalogueMismatch,
        "a table, column or statement of the catalogue does not fit the database: see `tracesvc doctor`",
        frozenset(
            {"ORA-00904", "ORA-00932", "ORA-00942", "ORA-00980",
             "ORA-01775", "ORA-04063", "ORA-04043", "ORA-00900",
             "ORA-00907", "ORA-00918", "ORA-00923", "ORA-00936", "ORA-00979"}
        ),
    ),
    (
        SourceUnavailable,
        "the database knows no such service: check DB_SERVICE, and whether the database is open",
        frozenset({"DPY-6001", "DPY-6003", "ORA-12505", "ORA-12514"}),
    ),
    (
        SourceUnavailable,
        "the database has no room for one more session",
        frozenset({"ORA-00018", "ORA-00020", "ORA-02391",
         "ORA-12516", "ORA-12518", "ORA-12519", "ORA-12520"}),
    ),
    (
        SourceUnavailable,
        "the connection to the database was lost",
        frozenset({"DPY-1001", "DPY-4011", "DPY-4033", "ORA-03113", "ORA-03114", "ORA-03135", "ORA-12170",
                   "ORA-12537", "ORA-12547", "ORA-12571", "ORA-25408"}),
    ),
    (
        SourceUnavailable,
        "the database does not answer at DB_HOST and DB_PORT",
        frozenset({"DPY-6000", "DPY-6005", "DPY-6006", "ORA-12541", "ORA-12543", "ORA-12545"}),
    ),
    (
        SourceUnavailable,
        "the database is starting, stopping or busy with itself",
        frozenset(
            {"ORA-00054", "ORA-00060", "ORA-01033", "ORA-01034", "ORA-01089", "ORA-01090", "ORA-01109",
             "ORA-04020", "ORA-04021", "ORA-04068", "ORA-08103", "ORA-08176", "ORA-12801", "ORA-16000",
             "ORA-00257", "ORA-27101"}
        ),
    ),
    (
        SourceError,
        (
            "the way to the database is not one that tracesvc can go: check DB_DSN, DB_WALLET_DIR and that"
            " the database asks for no native network encryption"
        ),
        frozenset({"DPY-3001", "DPY-3010", "DPY-4000", "DPY-4017",
         "DPY-4018", "DPY-4021", "DPY-4026", "DPY-4027",
                   "DPY-6002", "ORA-12660", "ORA-12650"}),
    ),
)  # fmt: skip
_MEANING: Final = {code: (kind, told) for kind, told, codes in _TOLD for code in codes}
_CODE: Final = re.compile(r"\b(?:ORA|DPY)-\d{4,5}")
_NAME: Final = re.compile(r'"?([A-Za-z][\w$#]*)"?')


def codes_of(error: BaseException) -> list[str]:
    """The codes of an error, its own first: a driver's error can stand around the database's."""
    if not isinstance(error, oracledb.Error) or not error.args:
        return []
    found = error.args[0]
    inner = f"ORA-{found.code:05}" if getattr(found, "code", 0) else ""
    named = [getattr(found, "full_code", ""), inner, *_CODE.findall(str(found))]
    return list(dict.fromkeys(code for code in named if code))


def source_error(error: BaseException, sql: str = "", names: Collection[str] = ()) -> TraceError:
    """The error for callers. `names`: the catalogue's tables and columns, which may be told."""
    if isinstance(error, TraceError):
        return error
    logger.debug("the database or its driver refused", exc_info=error)
    codes = codes_of(error)
    for code in [*codes[1:], *codes[:1]]:
        if code in _MEANING:
            kind, told = _MEANING[code]
            place = _named(error, sql, names) if kind in (CatalogueMismatch, NotAllowed) else ""
            return kind(f"{told}{place} ({code})")
    if isinstance(error, OSError):
        return SourceUnavailable("the database does not answer at DB_HOST and DB_PORT")
    return SourceError(f"the database refused a statement ({', '.join(codes[:2]) or type(error).__name__})")


def _named(error: BaseException, sql: str, names: Collection[str]) -> str:
    """Which of the catalogue's names the database points at, by its text or by the place in the statement."""
    found = error.args[0] if error.args else None
    quoted = re.findall(r'"([\w$#]+)"', str(found))
    offset = getattr(found, "offset", 0) or 0
    pointed = [match[1] for match in _NAME.finditer(sql[offset : offset + 200])][:3] if offset else []
    name = next((name for name in [*reversed(quoted), *pointed] if name.upper() in names), "")
    return f"; it is about {name.upper()}" if name else ""
