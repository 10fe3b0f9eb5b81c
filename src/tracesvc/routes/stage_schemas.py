"""The answers of stages 1 and 2, as models for the OpenAPI description."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class SeedDocument(BaseModel):
    """A container that a trace starts from; `match_source` is there for serial numbers."""

    container_id: str
    container_name: str | None
    lot_id: str
    match_source: Literal["finished_name", "container_name", "first_name"] | None = None


class SeedsDocument(BaseModel):
    """The answer of stage 1; `expansion` says how many containers each value stands for."""

    stage: Literal["seed-resolve"]
    seeds: list[SeedDocument]
    seed_count: int
    not_found: list[str]
    expansion: dict[str, int]


class NodeDocument(BaseModel):
    """A container of a lineage."""

    container_id: str
    container_name: str | None
    mfgorder_name: str | None
    wafer_lot: str | None
    node_type: Literal["WAFER", "GD", "GC", "GA", "LOT", "UNKNOWN"]


class EdgeDocument(BaseModel):
    """From a container to one that came from it."""

    from_cid: str
    to_cid: str
    edge_type: Literal["split_from", "merge_source", "wafer_origin", "gd_rework_source"]


class LineageDocument(BaseModel):
    """The answer of stage 2.

    Backward it has `ancestors`, `parent_map`, `merge_edges` and `seed_roots`; forward `children_map` and
    `leaf_serials`.
    """

    stage: Literal["lineage"]
    direction: Literal["backward", "forward"]
    total_nodes: int
    depth: int
    truncated: bool
    roots: list[str]
    nodes: dict[str, NodeDocument]
    edges: list[EdgeDocument]
    names: dict[str, str]
    ancestors: dict[str, list[str]] | None = None
    parent_map: dict[str, list[str]] | None = None
    merge_edges: dict[str, list[str]] | None = None
    seed_roots: dict[str, str] | None = None
    children_map: dict[str, list[str]] | None = None
    leaf_serials: dict[str, list[str]] | None = None
