"""Which indexes a statement hopes for."""

from __future__ import annotations

import pytest

from tracesvc.catalogue import load_catalogue
from tracesvc.catalogue.filters import wanted_indexes


@pytest.mark.parametrize(
    ("where", "columns"),
    [
        ("a.ID IN (:ids)", {"ID"}),
        ("a.id = :one", {"ID"}),
        ("a.AT >= :since AND a.AT < :until", {"AT"}),
        ("a.ID IN (:ids) AND a.AT >= :since", {"ID", "AT"}),
        ("(a.NAME BETWEEN :low AND :high OR a.NAME BETWEEN ' ' AND '!') AND TRIM(a.NAME) = :name", {"NAME"}),
        ("TRIM(a.ID) IN (:ids)", set()),
        ("a.ID IN (:ids) OR TRIM(a.NAME) IN (:names)", set()),
        ("a.ID IN (:ids) OR a.NAME IN (:names)", set()),
        ("a.KIND = 'LOT'", set()),
        ("a.ID IS NOT NULL", set()),
    ],
)
def test_a_plain_column_that_is_compared_with_binds_wants_an_index(where: str, columns: set[str]) -> None:
    wanted = {("T", frozenset(columns))} if columns else set()
    assert wanted_indexes(f"SELECT a.ID FROM DWH.T a WHERE {where}") == wanted


def test_each_table_of_a_nested_statement_is_looked_at() -> None:
    sql = """
    SELECT s.ID FROM (SELECT h.ID FROM DWH.H h WHERE h.ID IN (:ids)) s
    LEFT JOIN (SELECT k.ID FROM DWH.C k JOIN DWH.D d ON d.ID = k.ID WHERE d.AT = :at) c ON c.ID = s.ID
    """
    assert wanted_indexes(sql) == {("H", frozenset({"ID"})), ("D", frozenset({"AT"}))}


def test_a_declared_full_scan_wants_none() -> None:
    assert wanted_indexes("-- FULL SCAN: on purpose.\nSELECT a.ID FROM DWH.T a WHERE a.ID IN (:ids)") == set()


def test_every_built_in_statement_wants_an_index_or_says_that_it_scans() -> None:
    catalogue = load_catalogue()
    statements = {name: domain.sql for name, domain in catalogue.domains.items()}
    statements |= {name: stage.sql for name, stage in catalogue.stages.items()}
    assert {name for name, sql in statements.items() if not wanted_indexes(sql)} == {
        name for name, sql in statements.items() if "FULL SCAN" in sql
    }
