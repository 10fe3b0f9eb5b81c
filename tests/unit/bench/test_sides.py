"""Both sides that the bench measures find the same records, in real processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.processes import NotReady, peak_bytes, running
from bench.sides import naive, ours, redis_server
from bench.source_loop import run
from bench.store import Store
from bench.wire import Refused, read_side_by_side
from tracesvc.demo.default_plant import kept_plant, plant_url
from tracesvc.demo.plant import plant_container_ids


def test_tracesvc_the_obvious_design_and_the_bare_loop_find_the_same_records(tmp_path: Path) -> None:
    plant = kept_plant(tmp_path, containers=600)
    ids, url = plant_container_ids(plant), plant_url(plant)
    with redis_server() as redis_url, ours(redis_url, url) as mine, naive(redis_url, url) as other:
        job, same = mine.run(ids), other.run(ids)
        loops = [run(plant, "history", parsed=parsed)[0] for parsed in (False, True)]
        assert [job.records, same.records] == loops
        assert job.records > 5000
        assert mine.check(job.job_id) > 0
        mine.page(job.job_id, 100)
        other.page(same.job_id, 100)
        with pytest.raises(Refused, match="5000"):
            mine.page(job.job_id, job.records - 1)
        assert mine.first_record_seconds(ids) > 0
        store = Store(redis_url)
        assert store.memory_usage(mine.key_pattern(job.job_id)) > 0
        assert store.get_chunks(job.job_id, "history").chunks > 1
        streams = read_side_by_side(mine.port, mine.stream_path(job.job_id), headers={}, count=3, seconds=10)
        assert (streams.intact, streams.bytes > job.records) == (3, True)
        assert min(peak_bytes(pid) for pid in (mine.api_pid, mine.worker_pid, other.worker_pid)) > 1e7


def test_a_process_that_does_not_start_says_why() -> None:
    command = (sys.executable, "-c", "raise SystemExit('no such plant')")
    with running(command, {}) as process, pytest.raises(NotReady, match="no such plant"):
        process.wait_until(lambda: False)
