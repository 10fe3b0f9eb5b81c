"""The columns of the detail rows: what may be sorted by, and the header of their CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LOT: Final = (
    "container_id",
    "container_name",
    "track_in",
    "equipment_name",
    "equipment_id",
    "workcenter",
    "spec",
)

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "backward": (
        *_LOT,
        "workflow",
        "package",
        "pj_type",
        "root",
        "ancestor_count",
        "input_qty",
        "loss_reason",
        "defect_qty",
        "defect_rate",
    ),
    "forward": (
        *_LOT,
        "package",
        "pj_type",
        "input_qty",
        "defect_qty",
        "defect_rate",
        "station_count",
        "reject_qty",
        "reject_rate",
        "worst_station",
    ),
}
"""By direction. Input and defects are those at the detection station, rates are percent of its input."""
