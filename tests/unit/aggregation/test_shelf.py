"""Kept files: bounded, the least used go first, whole or not there."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tracesvc.aggregation.shelf import LEFTOVER_SECONDS, UNUSED_SECONDS, Shelf

SIZE = 100


def make(shelf: Shelf, job_id: str, size: int = SIZE) -> None:
    with shelf.making(job_id) as path:
        assert path is not None
        path.write_bytes(b"x" * size)


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix == ".duckdb"}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, 3 * SIZE)


def test_the_file_unused_for_longest_makes_room(shelf: Shelf, tmp_path: Path) -> None:
    for number in range(3):
        make(shelf, f"job{number}")
        age(tmp_path / f"job{number}.duckdb", 100 - number)
    assert shelf.find("job0") is not None  # used: now the youngest
    make(shelf, "job3")
    assert names(tmp_path) == {"job0.duckdb", "job2.duckdb", "job3.duckdb"}
    assert shelf.find("job1") is None


def test_the_newest_stays_however_large(shelf: Shelf, tmp_path: Path) -> None:
    make(shelf, "small")
    make(shelf, "large", 10 * SIZE)
    assert names(tmp_path) == {"large.duckdb"}


def test_a_file_that_fails_half_way_is_not_there(shelf: Shelf, tmp_path: Path) -> None:
    def fail() -> None:
        with shelf.making("job") as path:
            assert path is not None
            path.write_bytes(b"half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        fail()
    assert shelf.find("job") is None
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
    make(shelf, "job")
    assert shelf.find("job") is not None


def test_who_comes_while_it_is_made_waits_and_makes_no_second(shelf: Shelf) -> None:
    begun, go_on = threading.Event(), threading.Event()
    seen: list[Path | None] = []

    def first() -> None:
        with shelf.making("job") as path:
            assert path is not None
            begun.set()
            go_on.wait(30)
            path.write_bytes(b"whole")

    def second() -> None:
        with shelf.making("job") as path:
            seen.append(path)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    assert seen == []
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert seen == [None]
    found = shelf.find("job")
    assert found is not None
    assert found.read_bytes() == b"whole"


def test_what_the_dead_left_is_cleared_away(shelf: Shelf, tmp_path: Path) -> None:
    spill = tmp_path / "job.1.draft.1.spill"
    spill.mkdir()
    (spill / "block").write_bytes(b"x")
    (tmp_path / "job.1.draft").write_bytes(b"x")
    (tmp_path / "other.2.draft").write_bytes(b"x")
    make(shelf, "old", 1)
    for path in (spill, tmp_path / "job.1.draft"):
        age(path, LEFTOVER_SECONDS + 10)
    age(tmp_path / "old.duckdb", UNUSED_SECONDS + 10)
    make(shelf, "new")
    left = {path.name for path in tmp_path.iterdir() if path.suffix != ".lock"}
    assert left == {"new.duckdb", "other.2.draft"}
