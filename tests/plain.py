"""What each domain must give, by plain SQL on the plant itself (domain.md, 3 and 4).

Written from the definitions, not from the catalogue: the two share no line, so that they can differ.
Rows come in the order of a trace whose container ids are sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final

import duckdb

from tests.grammar import DomainSeen, require

COLUMNS: Final[Mapping[str, tuple[str, str]]] = {  # table: (text, other) columns used
    "DW_MES_CONTAINER": (
        "CONTAINERID CONTAINERNAME FIRSTNAME PJ_TYPE PJ_BOP PJ_FUNCTION PRODUCTNAME PRODUCTLINENAME",
        "",
    ),
    "DW_MES_LOTWIPHISTORY": (
        "CONTAINERID EQUIPMENTID WORKCENTERNAME SPECNAME EQUIPMENTNAME PJ_WORKORDER FINISHEDRUNCARD",
        "TRACKINTIMESTAMP TRACKOUTTIMESTAMP TRACKINQTY TRACKOUTQTY",
    ),
    "DW_MES_LOTMATERIALSHISTORY": (
        "CONTAINERID MATERIALPARTNAME MATERIALLOTNAME WORKCENTERNAME SPECNAME EQUIPMENTNAME",
        "QTYCONSUMED TXNDATE",
    ),
    "DW_MES_LOTREJECTHISTORY": (
        "CONTAINERID WORKCENTERNAME SPECNAME LOSSREASONNAME EQUIPMENTNAME REJECTCOMMENT",
        "REJECTQTY STANDBYQTY QTYTOPROCESS INPROCESSQTY PROCESSEDQTY DEFECTQTY TXNDATE",
    ),
    "DW_MES_HOLDRELEASEHISTORY": (
        """CONTAINERID WORKCENTERNAME HOLDREASONNAME HOLDEMP RELEASEEMP HOLDEMPDEPTNAME HOLDCOMMENTS
        RELEASECOMMENTS NCRID""",
        "HOLDTXNDATE RELEASETXNDATE",
    ),
    "DW_MES_JOB": (
        """JOBID RESOURCEID RESOURCENAME JOBSTATUS JOBMODELNAME JOBORDERNAME CAUSECODENAME REPAIRCODENAME
        SYMPTOMCODENAME CONTAINERIDS CONTAINERNAMES""",
        "CREATEDATE COMPLETEDATE",
    ),
    "DW_MES_SPEC_WORKCENTER_V": ("SPEC WORK_CENTER WORK_CENTER_GROUP WORKCENTERSEQUENCE_GROUP", ""),
}
GROUPS: Final = (  # in the order of evaluation: 元件切割 before 切割
    ("元件切割", "元件切割 PKG_SAW"), ("切割", "切割"), ("焊接_DB", "焊接_DB 焊_DB"),
    ("焊接_WB", "焊接_WB 焊_WB"), ("焊接_DW", "焊接_DW 焊_DW"), ("成型", "成型"), ("去膠", "去膠"),
    ("水吹砂", "水吹砂"), ("電鍍", "掛鍍 滾鍍 條鍍 電鍍 補鍍 TOTAI BANDL"), ("移印", "移印"),
    ("切彎腳", "切彎腳"), ("測試", "TMTT 測試"),
)  # fmt: skip
FIVE: Final = "REJECTQTY STANDBYQTY QTYTOPROCESS INPROCESSQTY PROCESSEDQTY"
SQL: Final[Mapping[str, str]] = {
    "history": """
        SELECT h.CONTAINERID, WORKCENTERNAME, EQUIPMENTID, EQUIPMENTNAME, SPECNAME, TRACKINTIMESTAMP,
               ended, load, output, FINISHEDRUNCARD, PJ_WORKORDER, CONTAINERNAME, PJ_TYPE, PJ_BOP,
               FIRSTNAME, partials
        FROM (SELECT *, max(TRACKINQTY) OVER session AS load, sum(TRACKOUTQTY) OVER session AS output,
                     max(TRACKOUTTIMESTAMP) OVER session AS ended, count(*) OVER session AS partials,
                     row_number() OVER (PARTITION BY CONTAINERID, EQUIPMENTID, SPECNAME, TRACKINTIMESTAMP
                         ORDER BY TRACKOUTTIMESTAMP DESC NULLS FIRST, TRACKINQTY,
                             WORKCENTERNAME, EQUIPMENTNAME, FINISHEDRUNCARD, PJ_WORKORDER) AS place
              FROM DW_MES_LOTWIPHISTORY WHERE EQUIPMENTID IS NOT NULL AND TRACKINTIMESTAMP IS NOT NULL
              WINDOW session AS (PARTITION BY CONTAINERID, EQUIPMENTID, SPECNAME, TRACKINTIMESTAMP)) h
        LEFT JOIN DW_MES_CONTAINER c ON c.CONTAINERID = h.CONTAINERID
        WHERE place = 1 AND h.CONTAINERID IN (FROM ids)
        ORDER BY 1, 6, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16""",
    "materials": """
        SELECT m.CONTAINERID, CONTAINERNAME, MATERIALPARTNAME, MATERIALLOTNAME, QTYCONSUMED, WORKCENTERNAME,
               SPECNAME, EQUIPMENTNAME, TXNDATE
        FROM DW_MES_LOTMATERIALSHISTORY m LEFT JOIN DW_MES_CONTAINER c ON c.CONTAINERID = m.CONTAINERID
        WHERE m.CONTAINERID IN (FROM ids) ORDER BY 1, 9, 2, 3, 4, 5, 6, 7, 8""",
    "rejects": """
        SELECT r.CONTAINERID, CONTAINERNAME, coalesce(WORK_CENTER, WORKCENTERNAME, '(NA)'),
               coalesce(WORK_CENTER_GROUP, WORKCENTERNAME, '(未知)'),
               coalesce(sequence, 999),
               PRODUCTLINENAME, PJ_FUNCTION, PJ_TYPE, PRODUCTNAME, SPECNAME,
               coalesce(LOSSREASONNAME, '(未填寫)'), coalesce(EQUIPMENTNAME, '(NA)'), REJECTCOMMENT,
               REJECTQTY, STANDBYQTY, QTYTOPROCESS, INPROCESSQTY, PROCESSEDQTY,
               coalesce(REJECTQTY, 0) + coalesce(STANDBYQTY, 0) + coalesce(QTYTOPROCESS, 0)
                   + coalesce(INPROCESSQTY, 0) + coalesce(PROCESSEDQTY, 0),
               DEFECTQTY, TXNDATE, TXNDATE, date_trunc('day', TXNDATE)::TIMESTAMP
        FROM DW_MES_LOTREJECTHISTORY r LEFT JOIN DW_MES_CONTAINER c ON c.CONTAINERID = r.CONTAINERID
        LEFT JOIN (SELECT *, try_cast(WORKCENTERSEQUENCE_GROUP AS INTEGER) AS sequence,
                          row_number() OVER (PARTITION BY SPEC ORDER BY sequence NULLS LAST, WORK_CENTER,
                              WORK_CENTER_GROUP) AS place
                   FROM DW_MES_SPEC_WORKCENTER_V) s ON s.SPEC = r.SPECNAME AND s.place = 1
        WHERE r.CONTAINERID IN (FROM ids)
        ORDER BY 1, 22, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20""",
    "holds": """
        SELECT h.CONTAINERID, CONTAINERNAME, WORKCENTERNAME, HOLDTXNDATE, HOLDEMP, HOLDEMPDEPTNAME,
               HOLDREASONNAME, HOLDCOMMENTS, RELEASETXNDATE, RELEASEEMP, RELEASECOMMENTS, NCRID,
               if(RELEASETXNDATE IS NULL, 'HOLD', 'RELEASED')
        FROM DW_MES_HOLDRELEASEHISTORY h LEFT JOIN DW_MES_CONTAINER c ON c.CONTAINERID = h.CONTAINERID
        WHERE h.CONTAINERID IN (FROM ids) ORDER BY 1, 4, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13""",
    "jobs": """
        SELECT DISTINCT j.*, cid FROM (
            SELECT JOBID, RESOURCEID, RESOURCENAME, JOBSTATUS, JOBMODELNAME, JOBORDERNAME, CREATEDATE,
                   COMPLETEDATE, CAUSECODENAME, REPAIRCODENAME, SYMPTOMCODENAME, CONTAINERIDS, CONTAINERNAMES
            FROM DW_MES_JOB) j,
            LATERAL (SELECT trim(unnest(string_split(CONTAINERIDS, ','))) AS cid)
        WHERE cid IN (FROM ids) ORDER BY 14, 7, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13""",
    "upstream_history": """
        SELECT CONTAINERID, WORKCENTERNAME, NULL, EQUIPMENTID, EQUIPMENTNAME, SPECNAME, TRACKINTIMESTAMP,
               coalesce(load, 0)
        FROM (SELECT *, max(TRACKINQTY) OVER (PARTITION BY CONTAINERID, EQUIPMENTID, SPECNAME,
                            TRACKINTIMESTAMP) AS load,
                     row_number() OVER (PARTITION BY CONTAINERID, WORKCENTERNAME, EQUIPMENTNAME
                         ORDER BY TRACKINTIMESTAMP DESC, EQUIPMENTID, SPECNAME) AS place
              FROM DW_MES_LOTWIPHISTORY WHERE EQUIPMENTID IS NOT NULL AND TRACKINTIMESTAMP IS NOT NULL)
        WHERE place = 1 AND CONTAINERID IN (FROM ids) ORDER BY 1, 7, 2, 4, 5, 6, 8""",
    "downstream_rejects": f"""
        SELECT CONTAINERID, WORKCENTERNAME, NULL, LOSSREASONNAME, EQUIPMENTNAME,
               {" + ".join(f"coalesce({name}, 0)" for name in f"{FIVE} DEFECTQTY".split())}, TXNDATE
        FROM DW_MES_LOTREJECTHISTORY WHERE CONTAINERID IN (FROM ids) ORDER BY 1, 7, 2, 4, 5, 6""",
}
DOMAINS: Final = tuple(SQL)


class PlainPlant:
    """A plant read by DuckDB alone: text trimmed, the empty string null, what is missing null."""

    def __init__(self, path: Path, container_ids: tuple[str, ...]) -> None:
        self._con = duckdb.connect()
        self._con.execute("SET threads = 2; SET default_null_order = 'nulls_last'")
        if path.is_file():
            self._con.execute(f"ATTACH '{path}' AS plant (READ_ONLY)")
        for table, columns in COLUMNS.items():
            self._view(path, table, *columns)
        self._con.execute("CREATE TABLE ids AS SELECT unnest(?) AS id", [list(container_ids)])

    def _view(self, path: Path, table: str, text: str, other: str) -> None:
        origin = f"plant.DWH.{table}" if path.is_file() else f"'{path / table}.parquet'"
        try:
            self._con.execute(f"FROM {origin} LIMIT 0")
            known = {column[0] for column in self._con.description or ()}
        except (duckdb.CatalogException, duckdb.IOException):
            origin, known = "(SELECT 1 WHERE false)", set()
        shown = [
            f"nullif(trim({n}), '') AS {n}" if n in known else f"NULL::VARCHAR AS {n}" for n in text.split()
        ]
        missing = "NULL::TIMESTAMP" if table == "DW_MES_JOB" else "NULL"
        shown += [n if n in known else f"{missing} AS {n}" for n in other.split()]
        self._con.execute(f"CREATE VIEW {table} AS SELECT {', '.join(shown)} FROM {origin}")

    def count(self, domain: str) -> int:
        """Rows that the domain must have."""
        rows = self._con.execute(f"SELECT count(*) FROM ({SQL[domain]})").fetchall()
        return int(rows[0][0])

    def rows(self, domain: str, as_of: datetime) -> Iterator[tuple[object, ...]]:
        """The domain's rows as they must stand in JSON, a few thousand in memory."""
        finish = FINISH.get(domain, _as_is)
        cursor = self._con.cursor()
        cursor.execute("SET default_null_order = 'nulls_last'")
        cursor.execute(SQL[domain])
        while rows := cursor.fetchmany(2000):
            yield from (tuple(map(_json_value, finish(row, as_of))) for row in rows)

    def close(self) -> None:
        self._con.close()


def group_of(workcentre: str | None) -> str | None:
    """The group of a raw station name (domain.md, 3)."""
    name = (workcentre or "").upper()
    return next((group for group, patterns in GROUPS if any(p in name for p in patterns.split())), None)


def _as_is(row: tuple[Any, ...], as_of: datetime) -> tuple[Any, ...]:
    del as_of
    return row


def _with_group(row: tuple[Any, ...], as_of: datetime) -> tuple[Any, ...]:
    del as_of
    return (*row[:2], group_of(row[1]), *row[3:])


def _with_hours(row: tuple[Any, ...], as_of: datetime) -> tuple[Any, ...]:
    held, released = row[3], row[8]
    if held is None:
        return (*row, None)
    micros = ((released or as_of) - held) // timedelta(microseconds=1)
    hours = Decimal(micros) / Decimal(3_600_000_000)
    return (*row, hours.quantize(Decimal("0.01"), ROUND_HALF_UP))


FINISH: Final[Mapping[str, Callable[[tuple[Any, ...], datetime], tuple[Any, ...]]]] = {
    "upstream_history": _with_group,
    "downstream_rejects": _with_group,
    "holds": _with_hours,
}


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return Decimal(repr(value)).quantize(Decimal("1e-10")).normalize()
    return value


class Reconciliation:
    """Compares a domain's records, as they arrive, with the plain rows: the same, in the same order."""

    def __init__(self, plant: PlainPlant, domain: str, as_of: datetime) -> None:
        self._domain, self._rows, self.seen = domain, plant.rows(domain, as_of), 0

    def feed(self, records: list[dict[str, Any]]) -> None:
        """Take the next records; raises at the first that differs."""
        for record in records:
            wanted = next(self._rows, None)
            found = tuple(record.values())
            require(wanted is not None, f"{self._domain}: a record too many: {record}")
            assert wanted is not None
            same = found == wanted or (self._domain == "holds" and _same_open_hold(found, wanted))
            require(same, f"{self._domain}, record {self.seen}:\n  came  {found}\n  plant {wanted}")
            self.seen += 1

    def close(self) -> None:
        """No more records come: none may be missing."""
        missing = next(self._rows, None)
        require(missing is None, f"{self._domain}: only {self.seen} records came; {missing} is missing")


def _same_open_hold(found: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """Open holds are counted to the job's start, of which the stream shows the milliseconds."""
    return found[:-1] == wanted[:-1] and found[8] is None and abs(found[-1] - wanted[-1]) <= Decimal("0.01")


def reconcile(plant: PlainPlant, seen: DomainSeen, as_of: datetime) -> int:
    """Compare the records that a checker kept; returns how many they are."""
    check = Reconciliation(plant, seen.name, as_of)
    check.feed(seen.records)
    check.close()
    return check.seen
