"""The analysis as a document, as models for the OpenAPI description (domain.md, 7; docs/analysis.md).

It is written by hand, field by field, where it is computed; tests hold both together.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Quantity = Annotated[float, Field(description="pieces; whole numbers stand without a point")]
Rate = Annotated[float, Field(description="percent with 4 decimals, half up; 0 without input")]
Share = Annotated[float, Field(description="percent of all bars listed up to here, with 2 decimals, half up")]


class _Part(BaseModel):
    """A part of the analysis: no other fields."""

    model_config = ConfigDict(extra="forbid")


class ChartBar(_Part):
    """A bar of a chart, largest defects first. Which key fields it has depends on the chart.

    The bar that stands for the rest is named `其他`: its keys are null, and `rest_count`
    is how many it stands for.
    """

    name: str
    input_qty: Quantity
    defect_qty: Quantity
    defect_rate: Rate
    lot_count: int
    cumulative_pct: Share
    rest_count: int | None = None
    workcenter_group: str | None = None
    workcenter: str | None = None
    equipment_name: str | None = None
    equipment_id: str | None = None
    resource_family: str | None = None
    part: str | None = None
    lot: str | None = None
    root: str | None = None
    workflow: str | None = None
    package: str | None = None
    pj_type: str | None = None
    loss_reason: str | None = None


class AttributedMachine(_Part):
    """A machine with every detection lot that it, or an ancestor of it, went through.

    One of no workcentre group is named by its workcentre.
    """

    name: str
    workcenter_group: str | None = None
    workcenter: str | None = None
    equipment_name: str | None
    equipment_id: str | None
    resource_family: str
    detection_lot_count: int
    input_qty: Quantity
    defect_qty: Quantity
    defect_rate: Rate


class TrendDay(_Part):
    """The lots of one day of track-in; `date` is null for lots without one."""

    date: str | None
    input_qty: Quantity
    defect_qty: Quantity
    defect_rate: Rate


class ChosenFilters(_Part):
    """What the analysis was narrowed to; an empty list means all."""

    loss_reasons: list[str]
    pj_types: list[str]
    packages: list[str]


class BackwardKpi(_Part):
    """The cohort in figures; null where a domain that it needs is not complete."""

    total_input: Quantity
    lot_count: int
    defective_lot_count: int
    total_defect_qty: Quantity
    total_defect_rate: Rate
    top_loss_reason: str | None
    affected_machine_count: int | None


class BackwardCharts(_Part):
    """Charts by what lies upstream and by what the lots are; null where a domain is not complete."""

    by_machine: list[ChartBar] | None
    by_material: list[ChartBar] | None
    by_wafer_root: list[ChartBar]
    by_loss_reason: list[ChartBar]
    by_detection_machine: list[ChartBar]
    by_workflow: list[ChartBar]
    by_package: list[ChartBar]
    by_type: list[ChartBar]


class ForwardKpi(_Part):
    """What became of the detection lots, in figures; null where a domain is not complete.

    `amplification` is the downstream reject rate over the detection defect rate; null when that is 0, too.
    """

    detection_lot_count: int
    detection_defect_qty: Quantity
    tracked_lot_count: int | None
    downstream_stations_reached: int | None
    downstream_total_reject: Quantity | None
    downstream_pass_rate: Rate | None
    amplification: float | None


class ForwardCharts(_Part):
    """Charts by what lies downstream; null where a domain is not complete."""

    by_downstream_station: list[ChartBar] | None
    by_downstream_machine: list[ChartBar] | None
    by_downstream_loss_reason: list[ChartBar] | None
    by_detection_machine: list[ChartBar]


class _Analysis(_Part):
    """What both directions say. `domains_complete` names the domains that it was computed from."""

    station: str
    filters: ChosenFilters
    daily_trend: list[TrendDay]
    available_loss_reasons: list[str]
    detail_total_count: int
    lineage_complete: bool
    domains_complete: dict[str, bool]


class BackwardAnalysis(_Analysis):
    """Which upstream machine, material or wafer explains the defects found at the station."""

    direction: Literal["backward"]
    kpi: BackwardKpi
    charts: BackwardCharts
    attribution: list[AttributedMachine] | None
    unclassified: list[AttributedMachine] | None


class ForwardAnalysis(_Analysis):
    """What happened downstream to the station's lots."""

    direction: Literal["forward"]
    kpi: ForwardKpi
    charts: ForwardCharts
    attribution: list[ChartBar] | None
    unclassified: list[ChartBar] | None


AnalysisDocument = Annotated[BackwardAnalysis | ForwardAnalysis, Field(discriminator="direction")]
