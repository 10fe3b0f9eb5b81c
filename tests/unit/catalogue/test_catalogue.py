"""The built-in catalogue says what domain.md, 2 to 4, says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.catalogue.loader import BUILT_IN
from tracesvc.errors import InvalidParams


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def test_it_has_the_ten_tables_and_the_seven_domains(catalogue: Catalogue) -> None:
    assert len(catalogue.tables) == 10
    assert {name: domain.cache_seconds for name, domain in catalogue.domains.items()} == {
        "history": 300, "materials": 300, "rejects": 300, "holds": 180, "jobs": 180,
        "upstream_history": 300, "downstream_rejects": 300,
    }  # fmt: skip
    assert catalogue.domains["jobs"].ids_per_unit is None
    assert catalogue.domains["jobs"].list_column == "CONTAINERIDS"
    assert catalogue.domains["jobs"].columns[-1].name == "CONTAINERID"
    assert catalogue.domains["holds"].open_column == "RELEASETXNDATE"
    assert catalogue.domains["history"].ids_per_unit == 1000


def test_columns_have_declared_types(catalogue: Catalogue) -> None:
    by_name = {column.name: column for column in catalogue.domains["history"].columns}
    assert by_name["PARTIAL_COUNT"].type == "integer"
    assert (by_name["TRACKINQTY"].type, by_name["TRACKINQTY"].precision, by_name["TRACKINQTY"].scale) == (
        "number", 38, 10,
    )  # fmt: skip
    assert by_name["TRACKINTIMESTAMP"].type == "timestamp"
    assert catalogue.tables["DW_MES_LOTWIPHISTORY"].ids == ("CONTAINERID", "EQUIPMENTID")


@pytest.mark.parametrize(
    ("raw", "group"),
    [
        ("晶圓元件切割-2", ("元件切割", 10)),
        ("切割", ("切割", 0)),
        ("pkg_saw 3", ("元件切割", 10)),
        ("焊_db_銅線", ("焊接_DB", 1)),
        ("焊xDB", None),
        ("Totai", ("電鍍", 7)),
        ("tmtt_高壓", ("測試", 11)),
        ("二光檢", None),
        ("", None),
        (None, None),
    ],
)
def test_a_raw_name_belongs_to_the_first_group_that_fits(
    catalogue: Catalogue, raw: str | None, group: tuple[str, int] | None
) -> None:
    found = catalogue.group_of(raw)
    assert (found and (found.name, found.order)) == group


def test_the_groups_are_in_route_order_from_0_to_11(catalogue: Catalogue) -> None:
    assert sorted(group.order for group in catalogue.groups) == list(range(12))


def test_profiles_name_their_domains(catalogue: Catalogue) -> None:
    five = ("history", "materials", "rejects", "holds", "jobs")
    assert catalogue.domains_of("query_tool", {}) == five
    assert catalogue.domains_of("query_tool_reverse", {"direction": "forward"}) == five
    assert catalogue.domains_of("mid_section_defect", {}) == ("upstream_history", "materials")
    forward = {"direction": "forward"}
    assert catalogue.domains_of("mid_section_defect", forward) == ("upstream_history", "downstream_rejects")
    with pytest.raises(InvalidParams):
        catalogue.domains_of("nothing", {})
    with pytest.raises(InvalidParams):
        catalogue.domains_of("mid_section_defect", {"direction": "sideways"})


def test_every_statement_starts_with_a_line_of_english_and_warns_of_full_scans(catalogue: Catalogue) -> None:
    for domain in catalogue.domains.values():
        assert domain.sql.startswith("-- ")
        assert ("FULL SCAN" in domain.sql) == (domain.name == "jobs")


def test_another_file_replaces_it_with_schema_and_statements(tmp_path: Path) -> None:
    shutil.copytree(BUILT_IN.with_name("sql"), tmp_path / "sql")
    file = tmp_path / "mine.yaml"
    file.write_text(
        BUILT_IN.read_text(encoding="utf-8").replace("schema: DWH", "schema: PLANT2"), encoding="utf-8"
    )
    mine, built_in = load_catalogue(str(file)), load_catalogue()
    assert "PLANT2.DW_MES_CONTAINER" in mine.domains["history"].sql
    assert mine.fingerprint != built_in.fingerprint
    assert load_catalogue().fingerprint == built_in.fingerprint
    statement = tmp_path / "sql" / "jobs.sql"
    statement.write_text(statement.read_text(encoding="utf-8") + "\n-- changed\n", encoding="utf-8")
    assert load_catalogue(str(file)).fingerprint != mine.fingerprint
