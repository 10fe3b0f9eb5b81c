"""What an analysis must answer, computed slowly: plain Python over lists, written from domain.md, section 7.

Shares no line with `tracesvc.aggregation`, so that the two can differ.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
Names = Sequence[str]


@dataclass
class Case:
    """An analysis's inputs as lists of rows, under the names of the interface."""

    direction: str = "backward"
    station: str = "測試"
    places: dict[str, int] = field(default_factory=dict)
    lots: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    workflows: list[Row] = field(default_factory=list)
    families: list[Row] = field(default_factory=list)
    members: list[Row] = field(default_factory=list)
    roots: list[Row] = field(default_factory=list)
    records: dict[str, list[Row]] = field(default_factory=dict)
    complete: dict[str, bool] = field(default_factory=dict)
    lineage_complete: bool = True


def number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def amount(value: Any) -> Fraction:
    """A quantity; null or unparsable is 0."""
    try:
        return Fraction(str(value))
    except ValueError:
        return Fraction(0)


def percent(part: Fraction, whole: Fraction, digits: int = 4) -> float:
    return rounded(100 * part / whole, digits) if whole else 0.0


def rounded(value: Fraction, digits: int) -> float:
    return float(math.floor(value * 10**digits + Fraction(1, 2)) / 10**digits)


def nulls_last(values: Iterable[Any]) -> list[tuple[bool, Any]]:
    return [(value is None, value or "") for value in values]


class Reference:
    """The answers for one case and one choice of filters."""

    def __init__(self, case: Case, reasons: Names = (), types: Names = (), packages: Names = ()) -> None:
        self.case = case
        self.chosen = {
            "loss_reasons": sorted(reasons),
            "pj_types": sorted(types),
            "packages": sorted(packages),
        }
        self.lots = {
            lot["CONTAINERID"]: lot
            for lot in case.lots
            if (not types or (lot["PJ_TYPE"] or "(未知)") in types)
            and (not packages or (lot["PRODUCTLINENAME"] or "(未知)") in packages)
        }
        self.input = {cid: amount(lot["TRACKINQTY"]) for cid, lot in self.lots.items()}
        sums: dict[str, dict[str, Fraction]] = {cid: defaultdict(Fraction) for cid in self.lots}
        for row in case.rejects:
            if row["CONTAINERID"] in sums:
                sums[row["CONTAINERID"]][row["LOSSREASONNAME"] or "(未填寫)"] += amount(row["QTY"])
        self.all_reasons = {
            cid: {name: qty for name, qty in found.items() if qty > 0} for cid, found in sums.items()
        }
        self.reasons = {
            cid: {name: qty for name, qty in found.items() if not reasons or name in reasons}
            for cid, found in self.all_reasons.items()
        }
        self.defects = {cid: sum(found.values(), Fraction(0)) for cid, found in self.reasons.items()}
        self.family: dict[str, set[str]] = {cid: {cid} for cid in self.lots}
        for row in case.members:
            if row["SEED_ID"] in self.family:
                self.family[row["SEED_ID"]].add(row["CONTAINER_ID"])
        self.lots_of: dict[str, set[str]] = defaultdict(set)
        for cid, members in self.family.items():
            for member in members:
                self.lots_of[member].add(cid)

    def records(self, domain: str) -> list[Row]:
        """The records that count for some lot of the cohort."""
        return [row for row in self.case.records.get(domain, []) if row["CONTAINERID"] in self.lots_of]

    def ok(self, *domains: str) -> bool:
        return all(self.case.complete.get(domain, False) for domain in domains)

    def place(self, row: Row) -> int | None:
        return self.case.places.get(row["WORKCENTER_GROUP"])

    def is_beyond(self, row: Row) -> bool:
        """Upstream of the station or downstream of it, as the direction wants."""
        place, here = self.place(row), self.case.places[self.case.station]
        return place is not None and (place < here if self.case.direction == "backward" else place > here)

    def defect_of(self, cids: Iterable[str]) -> Fraction:
        return sum((self.defects[cid] for cid in cids), Fraction(0))

    def input_of(self, cids: Iterable[str]) -> Fraction:
        return sum((self.input[cid] for cid in cids), Fraction(0))

    # Charts

    def keyed(self, pairs: Iterable[tuple[tuple[Any, ...], str]]) -> dict[tuple[Any, ...], set[str]]:
        """Distinct (key, lot) from (key, container): the container's lots are meant."""
        found: dict[tuple[Any, ...], set[str]] = defaultdict(set)
        for key, container in pairs:
            found[key] |= self.lots_of[container]
        return found

    def chart(
        self,
        lots: Mapping[tuple[Any, ...], set[str]],
        fields: Names,
        name: Callable[..., str],
        most: int = 10,
    ) -> list[Row]:
        """Bars over sets of lots: the `most` largest, and the rest as one whose lots are distinct too."""
        order = sorted(lots, key=lambda key: (-self.defect_of(lots[key]), name(*key), nulls_last(key)))
        bars = [self.bar(name(*key), dict(zip(fields, key, strict=False)), lots[key]) for key in order[:most]]
        if order[most:]:
            rest = set[str]().union(*(lots[key] for key in order[most:]))
            keys = dict.fromkeys(fields)
            bars.append(self.bar("其他", keys, rest) | {"rest_count": len(order[most:])})
        return accumulated(bars)

    def bar(self, name: str, keys: Row, cids: Collection[str]) -> Row:
        return {
            "name": name, **keys, "lot_count": len(cids), "input": self.input_of(cids),
            "defects": self.defect_of(cids),
        }  # fmt: skip

    def by_attribute(self, fields: Names, columns: Names, name: Callable[..., str]) -> list[Row]:
        found: dict[tuple[Any, ...], set[str]] = defaultdict(set)
        for cid, lot in self.lots.items():
            found[tuple(lot[column] for column in columns)].add(cid)
        return self.chart(found, fields, name)

    def detection_machines(self) -> list[Row]:
        return self.by_attribute(
            ("equipment_name", "equipment_id"),
            ("EQUIPMENTNAME", "EQUIPMENTID"),
            lambda name, _id: name or "(NA)",
        )

    def trend(self) -> list[Row]:
        days: dict[str | None, set[str]] = defaultdict(set)
        for cid, lot in self.lots.items():
            days[lot["TRACKINTIMESTAMP"] and lot["TRACKINTIMESTAMP"][:10]].add(cid)
        return [
            {
                "date": day,
                "input_qty": number(self.input_of(days[day])),
                "defect_qty": number(self.defect_of(days[day])),
                "defect_rate": percent(self.defect_of(days[day]), self.input_of(days[day])),
            }
            for day in sorted(days, key=lambda day: nulls_last([day]))
        ]

    def answer(self) -> Row:
        return {
            "direction": self.case.direction,
            "station": self.case.station,
            "filters": self.chosen,
            **(backward(self) if self.case.direction == "backward" else forward(self)),
            "daily_trend": self.trend(),
            "available_loss_reasons": sorted({name for found in self.all_reasons.values() for name in found}),
            "detail_total_count": len(self.detail()),
            "lineage_complete": self.case.lineage_complete,
        }

    def detail(self) -> list[Row]:
        order = sorted(self.lots, key=lambda cid: (nulls_last([self.lots[cid]["CONTAINERNAME"]]), cid))
        make = backward_detail if self.case.direction == "backward" else forward_detail
        return [row for cid in order for row in make(self, cid)]

    def lot_fields(self, cid: str) -> Row:
        lot = self.lots[cid]
        names = {
            "container_id": "CONTAINERID", "container_name": "CONTAINERNAME", "track_in": "TRACKINTIMESTAMP",
            "equipment_name": "EQUIPMENTNAME", "equipment_id": "EQUIPMENTID", "workcenter": "WORKCENTERNAME",
            "spec": "SPECNAME", "package": "PRODUCTLINENAME", "pj_type": "PJ_TYPE",
        }  # fmt: skip
        return {mine: lot[column] for mine, column in names.items()} | {"input_qty": number(self.input[cid])}

    def root(self, cid: str) -> str:
        names = [row["ROOT_NAME"] for row in self.case.roots if row["SEED_ID"] == cid and row["ROOT_NAME"]]
        return str(min(names, default=None) or self.lots[cid]["CONTAINERNAME"] or cid)

    def workflow(self, cid: str) -> str | None:
        names = [row["WORKFLOWNAME"] for row in self.case.workflows if row["CONTAINERID"] == cid]
        return min((name for name in names if name), default=None)


def accumulated(bars: list[Row], whole: Fraction | None = None) -> list[Row]:
    """Bars as they are answered, from exact numbers; `whole`: what rates are over, else a bar's own input."""
    listed = sum((bar["defects"] for bar in bars), Fraction(0))
    running, shown = Fraction(0), []
    for bar in bars:
        running += bar["defects"]
        base = bar["input"] if whole is None else whole
        rest = {name: value for name, value in bar.items() if name not in {"input", "defects"}}
        shown.append(
            rest
            | {
                "input_qty": number(base),
                "defect_qty": number(bar["defects"]),
                "defect_rate": percent(bar["defects"], base),
                "cumulative_pct": percent(running, listed, 2),
            }
        )
    return shown


def backward(ref: Reference) -> Row:
    history, materials = ref.ok("upstream_history"), ref.ok("materials")
    total_input, total_defects = ref.input_of(ref.lots), ref.defect_of(ref.lots)
    upstream = [row for row in ref.records("upstream_history") if ref.is_beyond(row)]
    apart = [row for row in ref.records("upstream_history") if ref.place(row) is None]
    machines = ref.keyed((machine_key(row, "WORKCENTER_GROUP"), row["CONTAINERID"]) for row in upstream)
    strangers = ref.keyed((machine_key(row, "WORKCENTERNAME"), row["CONTAINERID"]) for row in apart)
    parts = ref.keyed(
        ((row["MATERIALPARTNAME"], row["MATERIALLOTNAME"]), row["CONTAINERID"])
        for row in ref.records("materials")
    )
    roots, workflows = defaultdict(set), defaultdict(set)
    for cid in ref.lots:
        roots[(ref.root(cid),)].add(cid)
        workflows[(ref.workflow(cid),)].add(cid)
    reasons: dict[str, set[str]] = defaultdict(set)
    for cid, found in ref.reasons.items():
        for name in found:
            reasons[name].add(cid)
    sums = {
        name: sum((ref.reasons[cid][name] for cid in cids), Fraction(0)) for name, cids in reasons.items()
    }
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    reason_bars = [
        {
            "name": name,
            "loss_reason": name,
            "lot_count": len(reasons[name]),
            "input": total_input,
            "defects": sums[name],
        }
        for name in ranked
    ]
    attribution = attributed(ref, machines, "workcenter_group")
    machine_bars = ref.chart(machines, ("workcenter_group", "equipment_name", "equipment_id"), machine_name)
    for bar in machine_bars:
        rest = bar["name"] == "其他" and "rest_count" in bar
        bar["resource_family"] = None if rest else resource_family(ref, bar["equipment_id"])
    return {
        "kpi": {
            "total_input": number(total_input),
            "lot_count": len(ref.lots),
            "defective_lot_count": sum(1 for cid in ref.lots if ref.defects[cid] > 0),
            "total_defect_qty": number(total_defects),
            "total_defect_rate": percent(total_defects, total_input),
            "top_loss_reason": ranked[0] if ranked else None,
            "affected_machine_count": sum(1 for one in attribution if one["defect_qty"] > 0)
            if history
            else None,
        },
        "charts": {
            "by_machine": machine_bars if history else None,
            "by_material": ref.chart(parts, ("part", "lot"), material_name) if materials else None,
            "by_wafer_root": ref.chart(roots, ("root",), str),
            "by_loss_reason": accumulated(reason_bars, total_input),
            "by_detection_machine": ref.detection_machines(),
            "by_workflow": ref.chart(workflows, ("workflow",), lambda name: name or "(未知)"),
            "by_package": ref.by_attribute(("package",), ("PRODUCTLINENAME",), lambda name: name or "(未知)"),
            "by_type": ref.by_attribute(("pj_type",), ("PJ_TYPE",), lambda name: name or "(未知)"),
        },
        "attribution": attribution if history else None,
        "unclassified": attributed(ref, strangers, "workcenter") if history else None,
        "domains_complete": {"upstream_history": history, "materials": materials},
    }


def machine_key(row: Row, place: str) -> tuple[Any, ...]:
    return (row[place], row["EQUIPMENTNAME"], row["EQUIPMENTID"])


def machine_name(_group: str | None, name: str | None, _id: str | None) -> str:
    return name or "(NA)"


def material_name(part: str | None, lot: str | None) -> str:
    return (part or "(未知)") + (f" ({lot})" if lot else "")


def resource_family(ref: Reference, equipment_id: str | None) -> str:
    names = [row["RESOURCEFAMILYNAME"] for row in ref.case.families if row["EQUIPMENTID"] == equipment_id]
    return min((name for name in names if name), default=None) or "(未知)"


def attributed(ref: Reference, lots: Mapping[tuple[Any, ...], set[str]], place: str) -> list[Row]:
    order = sorted(lots, key=lambda key: (-ref.defect_of(lots[key]), machine_name(*key), nulls_last(key)))
    return [
        {
            "name": machine_name(*key),
            place: key[0],
            "equipment_name": key[1],
            "equipment_id": key[2],
            "resource_family": resource_family(ref, key[2]),
            "detection_lot_count": len(lots[key]),
            "input_qty": number(ref.input_of(lots[key])),
            "defect_qty": number(ref.defect_of(lots[key])),
            "defect_rate": percent(ref.defect_of(lots[key]), ref.input_of(lots[key])),
        }
        for key in order
    ]


def backward_detail(ref: Reference, cid: str) -> list[Row]:
    lot = ref.lot_fields(cid) | {
        "workflow": ref.workflow(cid),
        "root": ref.root(cid),
        "ancestor_count": len(ref.family[cid]) - 1,
    }
    found: list[tuple[str | None, Fraction]] = [*sorted(ref.reasons[cid].items())] or [(None, Fraction(0))]
    return [
        lot
        | {
            "loss_reason": name,
            "defect_qty": number(qty),
            "defect_rate": percent(qty, ref.input[cid]),
        }
        for name, qty in found
    ]


def forward(ref: Reference) -> Row:
    rejects = ref.ok("downstream_rejects")
    whole = rejects and ref.ok("upstream_history")
    total_input, total_defects = ref.input_of(ref.lots), ref.defect_of(ref.lots)
    stations = downstream_bars(ref, ("workcenter_group",), ref.is_beyond)
    entered = sum((bar["input"] for bar in stations), Fraction(0))
    rejected = sum((bar["defects"] for bar in stations), Fraction(0))
    tracked = set[str]().union(*(bar["cids"] for bar in stations)) if stations else set()
    detection_rate = total_defects / total_input if total_input else Fraction(0)
    rate = rejected / entered if entered else Fraction(0)
    return {
        "kpi": {
            "detection_lot_count": len(ref.lots),
            "detection_defect_qty": number(total_defects),
            "tracked_lot_count": len(tracked) if whole else None,
            "downstream_stations_reached": len(stations) if whole else None,
            "downstream_total_reject": number(rejected) if rejects else None,
            "downstream_pass_rate": percent(rejected, entered) if whole else None,
            "amplification": rounded(rate / detection_rate, 4) if whole and detection_rate else None,
        },
        "charts": {
            "by_downstream_station": shown(stations, 99) if whole else None,
            "by_downstream_machine": shown(
                downstream_bars(ref, ("workcenter_group", "equipment_name"), ref.is_beyond), 10
            ) if whole else None,
            "by_downstream_loss_reason": shown(
                downstream_bars(ref, ("loss_reason",), ref.is_beyond), 10**6, entered
            ) if whole else None,
            "by_detection_machine": ref.detection_machines(),
        },
        "attribution": shown(stations, 99) if whole else None,
        "unclassified": shown(
            downstream_bars(ref, ("workcenter",), lambda row: ref.place(row) is None), 10**6
        ) if whole else None,
        "domains_complete": {"upstream_history": ref.ok("upstream_history"), "downstream_rejects": rejects},
    }  # fmt: skip


COLUMN_OF = {
    "workcenter_group": "WORKCENTER_GROUP", "workcenter": "WORKCENTERNAME", "equipment_name": "EQUIPMENTNAME",
    "loss_reason": "LOSSREASONNAME",
}  # fmt: skip
FALLBACK = {"equipment_name": "(NA)", "workcenter": "(NA)", "loss_reason": "(未填寫)"}


def downstream_bars(ref: Reference, fields: Names, wanted: Callable[[Row], bool]) -> list[Row]:
    """Every record once, however many lots share its container; the lots that got there beside it."""
    found: dict[tuple[Any, ...], Row] = {}
    domains = (
        ("downstream_rejects",) if fields == ("loss_reason",) else ("upstream_history", "downstream_rejects")
    )
    for domain in domains:
        for row in filter(wanted, ref.records(domain)):
            key = tuple(row[COLUMN_OF[name]] for name in fields)
            if fields == ("loss_reason",):
                key = (key[0] or "(未填寫)",)
            name = key[-1] or FALLBACK.get(fields[-1], "")
            blank: Row = {
                "name": name,
                "keys": key,
                "cids": set(),
                "input": Fraction(0),
                "defects": Fraction(0),
            }
            bar = found.setdefault(key, blank | dict(zip(fields, key, strict=True)))
            bar["cids"] |= ref.lots_of[row["CONTAINERID"]]
            if domain == "upstream_history":
                bar["input"] += amount(row["TRACKINQTY"])
            else:
                bar["defects"] += amount(row["REJECT_TOTAL_QTY"])
    return sorted(found.values(), key=lambda bar: (-bar["defects"], bar["name"], nulls_last(bar["keys"])))


def shown(bars: list[Row], most: int, whole: Fraction | None = None) -> list[Row]:
    kept = [dict(bar) for bar in bars[:most]]
    if rest := bars[most:]:
        fields = [name for name in rest[0] if name in COLUMN_OF]
        kept.append(
            dict.fromkeys(fields)
            | {
                "name": "其他",
                "cids": set[str]().union(*(bar["cids"] for bar in rest)),
                "input": sum((bar["input"] for bar in rest), Fraction(0)),
                "defects": sum((bar["defects"] for bar in rest), Fraction(0)),
                "rest_count": len(rest),
            }
        )
    for bar in kept:
        bar.pop("keys", None)
        bar["lot_count"] = len(bar.pop("cids"))
    return accumulated(kept, whole)


def forward_detail(ref: Reference, cid: str) -> list[Row]:
    if not ref.defects[cid]:
        return []
    rejected: dict[str, Fraction] = {}
    for domain in ("upstream_history", "downstream_rejects"):
        for row in ref.case.records.get(domain, []):
            if row["CONTAINERID"] in ref.family[cid] and ref.is_beyond(row):
                came_off = amount(row["REJECT_TOTAL_QTY"]) if domain == "downstream_rejects" else Fraction(0)
                group = row["WORKCENTER_GROUP"]
                rejected[group] = rejected.get(group, Fraction(0)) + came_off
    total = sum(rejected.values(), Fraction(0))
    known = ref.ok("upstream_history", "downstream_rejects")
    downstream = {
        "station_count": len(rejected),
        "reject_qty": number(total),
        "reject_rate": percent(total, ref.input[cid]),
        "worst_station": min(rejected, key=lambda name: (-rejected[name], name)) if total else None,
    }
    return [
        ref.lot_fields(cid)
        | {"defect_qty": number(ref.defects[cid]), "defect_rate": percent(ref.defects[cid], ref.input[cid])}
        | (downstream if known else dict.fromkeys(downstream))
    ]
