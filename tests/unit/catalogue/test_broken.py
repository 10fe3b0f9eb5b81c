"""A broken catalogue stops the start, and the message points at the line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tracesvc.catalogue import load_catalogue
from tracesvc.catalogue.loader import BUILT_IN
from tracesvc.errors import CatalogueError


def copied(folder: Path) -> Path:
    shutil.copytree(BUILT_IN.with_name("sql"), folder / "sql")
    return Path(shutil.copy(BUILT_IN, folder / "catalogue.yaml"))


def broken(file: Path, old: str, new: str) -> int:
    """Replace the first `old` in a file; returns the line it begins on."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def refused(file: Path) -> tuple[str, int, str]:
    """File name, line and text of the refusal."""
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(str(file))
    match = re.fullmatch(r"(.+?):(\d+): (.+)", caught.value.detail, re.DOTALL)
    assert match, caught.value.detail
    return Path(match[1]).name, int(match[2]), match[3]


@pytest.mark.parametrize(
    ("old", "new", "below", "told"),
    [
        ("domains: [history, materials, rejects, holds, jobs]", "domains: [history, scraps]", 0, "'scraps'"),
        ("CONTAINERID: CHAR(16)", "CONTAINERID: CHAR16", 0, "type 'CHAR16'"),
        ("    CONTAINERNAME: VARCHAR2(40)", "    CONTAINERID: VARCHAR2(40)", 0, "stands twice"),
        ("      WORKCENTERNAME: string", "      CONTAINERID: string", 0, "stands twice"),
        ("      EQUIPMENTID: string", "      EQUIPMENTID: text", 0, "type 'text'"),
        ("number(38, 10)", "number(10, 38)", 0, "digits"),
        ("number(38, 10)", "number", 0, "type 'number'"),
        ("    cache_seconds: 300", "    cache_secs: 300", 0, "'cache_secs' is not known"),
        ("    cache_seconds: 300", "    cache_seconds: soon", 0, "whole number"),
        ("  history:\n", "  scraps:\n", 0, "is missing"),
        ("    open_column: RELEASETXNDATE", "    open_column: RELEASED", 0, "none of the domain's columns"),
        ("    ids_per_unit: all", "    ids_per_unit: 1001", 0, "at most 1000"),
        ("order: 10, patterns", "order: ten, patterns", 0, "whole number"),
        ("patterns: [切割]", "patterns: []", 0, "at least one"),
        ("    when: direction\n", "", -1, "`when`"),
        ("schema: DWH", "schema: dwh; drop", 0, "no name"),
        ("schema: DWH", "schema: [DWH", 3, "no YAML"),
        ("schema: DWH", "", 0, "'schema' is missing"),
    ],
)
def test_the_message_points_at_the_line_of_the_catalogue(
    tmp_path: Path, old: str, new: str, below: int, told: str
) -> None:
    file = copied(tmp_path)
    line = broken(file, old, new)
    name, found, text = refused(file)
    assert (name, told in text) == ("catalogue.yaml", True), text
    assert found == line + below or told in {"'schema' is missing", "no YAML"}


@pytest.mark.parametrize(
    ("domain", "old", "new", "told"),
    [
        ("materials", "m.TXNDATE\nFROM", "ROWNUM AS TXNDATE\nFROM", "ROWNUM"),
        ("materials", "m.QTYCONSUMED", "m.QTYCONSUMED + + AS", "near"),
        ("materials", "m.QTYCONSUMED", "m.QTYUSED AS QTYCONSUMED", "QTYUSED"),
        ("materials", "m.QTYCONSUMED", "TRIM('x') AS QTYCONSUMED", "declares number"),
        ("holds", "DATE, :as_of", "DATE, :until", ":until is not known"),
    ],
)
def test_the_message_points_at_the_line_of_the_statement(
    tmp_path: Path, domain: str, old: str, new: str, told: str
) -> None:
    file = copied(tmp_path)
    line = broken(tmp_path / "sql" / f"{domain}.sql", old, new)
    name, found, text = refused(file)
    assert (name, found, told in text) == (f"{domain}.sql", line, True), text


def test_columns_must_be_the_declared_ones_in_their_order(tmp_path: Path) -> None:
    file = copied(tmp_path)
    broken(tmp_path / "sql" / "jobs.sql", "j.CREATEDATE, j.COMPLETEDATE", "j.COMPLETEDATE, j.CREATEDATE")
    assert refused(file)[2].startswith(
        "the statement gives COMPLETEDATE where the catalogue declares CREATEDATE"
    )


def test_a_missing_statement_is_told_at_its_domain(tmp_path: Path) -> None:
    file = copied(tmp_path)
    (tmp_path / "sql" / "rejects.sql").unlink()
    name, line, text = refused(file)
    assert (name, "is missing" in text) == ("catalogue.yaml", True)
    assert file.read_text(encoding="utf-8").splitlines()[line - 1] == "  rejects:"


def test_a_missing_or_empty_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="TRACE_CATALOGUE"):
        load_catalogue(str(tmp_path / "none.yaml"))
    empty = tmp_path / "empty.yaml"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(CatalogueError, match="empty"):
        load_catalogue(str(empty))
