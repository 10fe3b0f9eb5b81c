"""Cases for the analysis: the worked examples of domain.md, 7, random ones, and how one is taken in."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from arro3.core import Array, DataType, Table

from tests.msd_reference import Case, Row
from tracesvc.aggregation.file import AnalysisFile
from tracesvc.catalogue import WorkcentreGroup, load_catalogue

CATALOGUE: Final = load_catalogue()
GROUPS: Final[tuple[WorkcentreGroup, ...]] = CATALOGUE.groups
PLACES: Final = {group.name: group.order for group in GROUPS}

LOTS: Final = (
    "CONTAINERID", "CONTAINERNAME", "EQUIPMENTID", "EQUIPMENTNAME", "WORKCENTERNAME", "SPECNAME",
    "TRACKINTIMESTAMP", "TRACKINQTY", "PJ_TYPE", "PRODUCTLINENAME",
)  # fmt: skip
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "lots": LOTS,
    "rejects": ("CONTAINERID", "LOSSREASONNAME", "QTY"),
    "workflows": ("CONTAINERID", "WORKFLOWNAME"),
    "families": ("EQUIPMENTID", "EQUIPMENTNAME", "RESOURCEFAMILYNAME"),
    "members": ("SEED_ID", "CONTAINER_ID"),
    "roots": ("SEED_ID", "ROOT_NAME"),
    "upstream_history": (
        "CONTAINERID", "WORKCENTERNAME", "WORKCENTER_GROUP", "EQUIPMENTID", "EQUIPMENTNAME", "SPECNAME",
        "TRACKINTIMESTAMP", "TRACKINQTY",
    ),
    "materials": (
        "CONTAINERID", "CONTAINERNAME", "MATERIALPARTNAME", "MATERIALLOTNAME", "QTYCONSUMED", "TXNDATE",
    ),
    "downstream_rejects": (
        "CONTAINERID", "WORKCENTERNAME", "WORKCENTER_GROUP", "LOSSREASONNAME", "EQUIPMENTNAME",
        "REJECT_TOTAL_QTY", "TXNDATE",
    ),
}  # fmt: skip


def rows_of(name: str, *values: Sequence[Any]) -> list[Row]:
    """Rows of one input or domain, each given as its values in order; what is left out is null."""
    columns = COLUMNS[name]
    return [dict(zip(columns, [*row, *[None] * (len(columns) - len(row))], strict=True)) for row in values]


def lot(
    cid: str, name: str, qty: Any, day: str, machine: str | None, *, kind: str = "A", package: str = "P1"
) -> Row:
    ident = None if machine is None else f"id-{machine}"
    return rows_of("lots", (cid, name, ident, machine, "測試", "S", day, qty, kind, package))[0]


def history(cid: str, group: str | None, machine: str | None, qty: Any = 0, spec: str = "S1") -> Row:
    ident = None if machine is None else f"id-{machine}"
    raw = f"{group}站" if group else "倉庫"
    return rows_of("upstream_history", (cid, raw, group, ident, machine, spec, "2026-01-01T00:00:00", qty))[0]


def example_a() -> Case:
    """Backward from 測試."""
    return Case(
        places=PLACES,
        lots=[
            lot("C1", "L1", 1000, "2026-01-05T08:00:00", "T-01"),
            lot("C2", "L2", 2000, "2026-01-05T23:59:59", "T-02"),
            lot("C3", "L3", 500, "2026-01-06T00:00:00", "T-01"),
            lot("C4", "L4", 1500, "2026-01-06T12:00:00", "T-02"),
        ],
        rejects=rows_of("rejects", ("C1", "R1", 30), ("C1", "R2", 10), ("C2", "R1", 20), ("C4", "R2", 45)),
        members=rows_of("members", ("C1", "A1"), ("C2", "A1"), ("C2", "A2"), ("C3", "A2"), ("C4", "C4")),
        roots=rows_of("roots", ("C1", "W-1"), ("C2", "W-1"), ("C3", "W-2")),
        records={
            "upstream_history": [
                history("A1", "焊接_DB", "DB-07", 1, "S1"),
                history("A1", "焊接_DB", "DB-07", 1, "S2"),
                history("A1", "成型", "MD-01"),
                history("A2", "焊接_DB", "DB-08"),
                history("C4", "成型", "MD-01"),
                history("C1", "測試", "T-01"),
            ],
            "materials": rows_of("materials", ("A1", "a1", "EPOXY", "X1", 1), ("C4", "c4", "EPOXY", None, 1)),
        },
        complete={"upstream_history": True, "materials": True},
    )


def example_b() -> Case:
    """Forward from 成型."""

    def reject(cid: str, group: str, machine: str | None, reason: str, qty: int) -> Row:
        return rows_of("downstream_rejects", (cid, f"{group}站", group, reason, machine, qty))[0]

    return Case(
        direction="forward",
        station="成型",
        places=PLACES,
        lots=[
            lot("D1", "D1", 1000, "2026-01-05T08:00:00", "M-1"),
            lot("D2", "D2", 800, "2026-01-05T09:00:00", "M-2"),
        ],
        rejects=rows_of("rejects", ("D1", "R1", 50)),
        members=rows_of("members", ("D1", "D1"), ("D1", "D1a"), ("D2", "D2")),
        records={
            "upstream_history": [
                history("D1", "焊接_DB", "DB-1", 1000),
                history("D1", "電鍍", "PL-1", 900),
                history("D1", "測試", "T-9", 880),
                history("D1a", "測試", "T-9", 300),
                history("D2", "電鍍", "PL-1", 790),
            ],
            "downstream_rejects": [
                reject("D1", "測試", "T-9", "S1", 22),
                reject("D1", "成型", "M-1", "R1", 5),
                reject("D1a", "測試", "T-9", "S1", 6),
                reject("D1a", "測試", "T-9", "S2", 3),
                reject("D2", "電鍍", "PL-1", "S3", 4),
            ],
        },
        complete={"upstream_history": True, "downstream_rejects": True},
    )


def random_case(seed: int) -> Case:
    """A plant with all that may go wrong: ties, nulls, fractions, shared containers, strangers."""
    dice = random.Random(seed)
    direction = dice.choice(["backward", "forward"])
    station = dice.choice(["測試", "成型", "電鍍", "切割", "焊接_WB"])
    ids = [f"c{number:03}" for number in range(dice.choice([0, 1, 12, 30, 60, 60, 60]))]
    seeds = dice.sample(ids, len(ids) * 2 // 3)
    reasons = [None, "刮傷", "裂", "r2", "R1"]
    machines = [None, *(f"M-{number}" for number in range(dice.choice([2, 14, 30])))]
    groups = [None, None, *PLACES]
    names = [None, "x", "y", "其他", "(未知)"]

    def some(values: Sequence[Any]) -> Any:
        return dice.choice(values)

    def qty() -> Any:
        return some([None, 0, 1, 2, 5, 5, 40, 100, 0.5, 1.25, 0.1])

    def pairs(count: int) -> list[tuple[str, str]]:
        return [(some([*ids, "stranger"]), some([*ids, "alien"])) for _ in range(count)] if ids else []

    def record(cid: str) -> Row:
        return history(cid, some(groups), some(machines), qty(), some(["S1", "S2"]))

    domains = ("upstream_history", "materials" if direction == "backward" else "downstream_rejects")
    return Case(
        direction=direction,
        station=station,
        places=PLACES,
        lots=[
            rows_of("lots", (
                cid, some([None, f"L{dice.randrange(20)}", f"N-{cid}"]), some([None, "e1", "e2"]),
                some(machines), "測試", "S", f"2026-01-0{dice.randrange(1, 6)}T0{dice.randrange(10)}:00:00",
                some([None, 0, 100, 333, 1000.5]), some(names), some(names),
            ))[0]
            for cid in seeds
        ],
        rejects=[
            row
            for cid in [*seeds, "stranger"]
            for reason in dice.sample(reasons, dice.randrange(4))
            for row in rows_of("rejects", (cid, reason, qty()))
        ],
        workflows=rows_of("workflows", *[(cid, some(names)) for cid in seeds if some([0, 1])]),
        families=rows_of("families", *[
            (f"id-{name}", name, some(names)) for name in machines if some([0, 1])
        ]),
        members=rows_of("members", *pairs(some([0, 20, 150, 150]))),
        roots=rows_of("roots", *[(cid, some([None, "W1", "W2", "L3"])) for cid in ids if some([0, 1])]),
        records={
            "upstream_history": [record(some([*ids, "stranger"])) for _ in range(some([0, 40, 300, 300]))],
            "materials": rows_of("materials", *[
                (
                    some([*ids, "alien"]), None, some(["EPOXY", "WIRE", None]),
                    some([None, "X1", "X2", f"Q{number}"]), 1,
                )
                for number in range(some([0, 60, 60]))
            ]),
            "downstream_rejects": rows_of("downstream_rejects", *[
                (
                    some([*ids, "alien"]), some(["倉庫", None]), some(groups), some(reasons), some(machines),
                    qty(),
                )
                for _ in range(some([0, 80, 200, 200]))
            ]),
        },
        complete={domain: True for domain in domains if dice.random() < 0.9},
        lineage_complete=some([True, False]),
    )  # fmt: skip


def taken_in(case: Case, path: Path, dice: random.Random | None = None) -> AnalysisFile:
    """The case as a sealed file: inputs as batches, records as batches or lines, in pieces, in any order."""
    dice = dice or random.Random(0)
    made = AnalysisFile(path, GROUPS, memory_mib=128, threads=1)
    made.begin({"direction": case.direction, "station": case.station})
    work = [
        *((made.take, name, getattr(case, name)) for name in COLUMNS if hasattr(case, name)),
        *((made.take_records, domain, rows) for domain, rows in case.records.items()),
    ]
    dice.shuffle(work)
    for take, name, rows in work:
        cut = dice.randint(0, len(rows))
        for piece in (rows[:cut], rows[cut:]):
            as_line = take == made.take_records and dice.random() < 0.5
            take(name, line(name, piece) if as_line else table(name, piece))  # type: ignore[arg-type]
    made.seal(case.complete, lineage_complete=case.lineage_complete)
    return made


def table(name: str, rows: Sequence[Row]) -> Table:
    """Rows as a batch; quantities as text, as the database has the last word on what a number is."""
    text = DataType.string()
    return Table.from_pydict(
        {
            column: Array([None if row[column] is None else str(row[column]) for row in rows], type=text)
            for column in COLUMNS.get(name, ())
        }
    )


def line(name: str, rows: Sequence[Row]) -> bytes:
    """Rows as a committed line."""
    data = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    head = f'{{"type":"records","domain":"{name}","batch":0,"offset":0,"count":{len(rows)},"data":'
    return f"{head}{data}}}".encode()
