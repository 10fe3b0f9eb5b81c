"""`tracesvc doctor`: what it finds, what it says to do, and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.oracle_wire import OracleServer
from tests.parts import child_env
from tests.support import Plant, Valkey
from tracesvc.catalogue import load_catalogue
from tracesvc.doctor import examine
from tracesvc.settings import Settings


def doctor(settings: dict[str, object], tmp_path: Any, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tracesvc", "doctor", *options],
        env=child_env(settings), cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def findings(settings: dict[str, object], tmp_path: Any) -> tuple[int, dict[str, dict[str, str]]]:
    code, text = doctor(settings, tmp_path, "--json")
    return code, {finding["check"]: finding for finding in json.loads(text)["findings"]}


def test_a_sound_database_passes_and_its_release_is_told(
    make_server: Callable[..., OracleServer], tiny_plant: Plant, tmp_path: Any
) -> None:
    valkey = Valkey(tmp_path / "valkey")
    settings = {**make_server(tiny_plant).settings, "trace_redis_url": valkey.url}
    code, found = findings(settings, tmp_path)
    valkey.stop()
    assert code == 0
    assert found["source"]["found"].startswith("Oracle 19.")
    assert found["redis"]["state"] == "ok"
    assert found["workers"]["state"] == "warning"
    catalogue = load_catalogue()
    wanted = {f"table {name}" for name in catalogue.tables} | {f"domain {name}" for name in catalogue.domains}
    wanted |= {f"statement {name}" for name in catalogue.stages}
    assert len(catalogue.stages) > 15
    assert wanted <= {name for name, finding in found.items() if finding["state"] == "ok"}


def test_what_is_missing_is_named_with_what_to_do(
    make_server: Callable[..., OracleServer], tiny_plant: Plant, tmp_path: Any
) -> None:
    missing = [
        "DW_MES_JOB", "DW_MES_LOTWIPHISTORY.FINISHEDRUNCARD", "index:DW_MES_HOLDRELEASEHISTORY.CONTAINERID",
        "index:DW_MES_CONTAINER.MFGORDERNAME", "index:DW_MES_LOTREJECTHISTORY.CONTAINERID",
        "index:DW_MES_LOTREJECTHISTORY.TXNDATE",
    ]  # fmt: skip
    code, found = findings(make_server(tiny_plant, missing=missing).settings, tmp_path)
    assert code == 1
    assert found["redis"]["state"] == "warning"
    assert found["table DW_MES_JOB"]["state"] == "failed"
    assert "GRANT SELECT" in found["table DW_MES_JOB"]["do"]
    assert "FINISHEDRUNCARD" in found["table DW_MES_LOTWIPHISTORY"]["found"]
    assert {name for name in found if name.startswith("index")} == {
        "index DW_MES_CONTAINER", "index DW_MES_HOLDRELEASEHISTORY", "index DW_MES_LOTREJECTHISTORY",
    }  # fmt: skip
    holds, container, rejects = (
        found[f"index DW_MES_{name}"] for name in ("HOLDRELEASEHISTORY", "CONTAINER", "LOTREJECTHISTORY")
    )
    assert (holds["state"], holds["found"]) == (
        "warning",
        "none begins with CONTAINERID, as holds would like",
    )
    assert "MFGORDERNAME, as seeds/work_order, seeds/work_order_like would like" in container["found"]
    assert "CONTAINERID or TXNDATE, as detection/rejects_of would like" in rejects["found"]
    assert found["domain history"]["state"] == found["domain jobs"]["state"] == "failed"
    assert found["domain holds"]["state"] == "ok"
    assert found["statement detection/lots"]["state"] == "ok"


def test_a_column_that_only_seeds_and_lineage_need_is_missed_as_well(
    make_server: Callable[..., OracleServer], tiny_plant: Plant, tmp_path: Any
) -> None:
    missing = ["DW_MES_CONTAINER.SPLITFROMID"]
    code, found = findings(make_server(tiny_plant, missing=missing).settings, tmp_path)
    assert code == 1
    failed = {name for name, finding in found.items() if finding["state"] == "failed"}
    assert "statement lineage/containers" in failed
    assert "statement seeds/work_order" not in failed
    assert "sql/lineage/containers.sql" in found["statement lineage/containers"]["do"]
    assert not any(name.startswith("domain") for name in failed)


async def test_a_source_that_hangs_does_not_keep_a_person_for_each_statement(
    make_server: Callable[..., OracleServer], tiny_plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server(tiny_plant)
    server.rules(statements=[{"kind": "stall"}])
    monkeypatch.setattr("tracesvc.doctor.PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr("tracesvc.doctor.WHOLE_PATIENCE_SECONDS", 2.5)
    settings = Settings.model_validate(server.settings)
    found = {finding.check: finding async for finding in examine(settings, load_catalogue())}
    assert server.count("stall") < 10
    assert found["dictionary"].state == "warning"
    assert "no row within" in found["domain history"].found
    assert found["statement detection/families"].found.startswith("not tried")


def test_a_refused_password_is_told_to_people(
    make_server: Callable[..., OracleServer], tiny_plant: Plant, tmp_path: Any
) -> None:
    settings = {**make_server(tiny_plant).settings, "db_password": "wrong"}
    code, text = doctor(settings, tmp_path)
    assert code == 1
    assert "FAILED   source" in text
    assert "DB_PASSWORD" in text
    assert "wrong" not in text


def test_a_plants_files_pass_too(tiny_plant: Plant, tmp_path: Any) -> None:
    code, found = findings({"trace_source_url": tiny_plant.url}, tmp_path)
    assert code == 0
    assert {name for name in found if name.startswith("domain")} == {
        f"domain {name}" for name in load_catalogue().domains
    }
