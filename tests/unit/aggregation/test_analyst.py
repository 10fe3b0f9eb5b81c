"""Analysis processes: few, given back, replaced, ended when nobody asks."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from tests.msd_cases import example_a
from tests.msd_jobs import Kept, analysis_processes
from tests.support import StackCache, wait_until
from tracesvc import analyst as module
from tracesvc.aggregation.requests import Question
from tracesvc.analyst import Analyst
from tracesvc.errors import JobNotFound, QueueUnavailable, TraceError
from tracesvc.settings import Settings, load_settings


@pytest.fixture
def settings(stack_cache: StackCache, tmp_path: Path) -> Settings:
    return load_settings(
        trace_redis_url=stack_cache.valkey.url,
        trace_redis_prefix=f"analyst-{secrets.token_hex(4)}:",
        trace_data_dir=tmp_path,
        trace_aggregation_processes=1,
    )


@pytest.fixture
async def job_id(settings: Settings) -> str:
    async with Redis.from_url(settings.redis_url) as redis:
        return await Kept(redis, settings).finished(example_a())


@pytest.fixture
async def analyst(settings: Settings) -> AsyncIterator[Analyst]:
    found = Analyst(settings)
    yield found
    await found.close()
    assert processes() == []


def processes() -> list[psutil.Process]:
    return analysis_processes(os.getpid())


async def defects(analyst: Analyst, job_id: str) -> int:
    answer = json.loads(await analyst.ask(Question(job_id, "aggregate", {})))
    found: int = answer["kpi"]["total_defect_qty"]
    return found


async def test_one_process_answers_one_question_after_the_other(analyst: Analyst, job_id: str) -> None:
    assert await asyncio.gather(*(defects(analyst, job_id) for _ in range(5))) == [105] * 5
    assert len(processes()) == 1
    with pytest.raises(JobNotFound):
        await analyst.ask(Question("trace-evt-none", "aggregate", {}))
    (process,) = processes()
    assert await defects(analyst, job_id) == 105
    assert processes() == [process], "an error is an answer: the process goes on"


async def test_who_leaves_in_the_middle_costs_a_process_and_holds_up_nobody(
    analyst: Analyst, job_id: str
) -> None:
    parts = await analyst.stream(Question(job_id, "csv", {}))
    (process,) = processes()
    waiting = asyncio.create_task(defects(analyst, job_id))
    await parts.aclose()
    assert await waiting == 105
    await wait_until(lambda: not process.is_running(), message="the process ends")
    asking = asyncio.create_task(defects(analyst, job_id))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    assert await defects(analyst, job_id) == 105


async def test_a_process_that_nobody_asks_ends(
    settings: Settings, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.05)
    analyst = Analyst(settings)
    assert await defects(analyst, job_id) == 105
    await wait_until(lambda: processes() == [], message="the process ends")
    assert await defects(analyst, job_id) == 105
    await analyst.close()


async def test_a_folder_that_cannot_be_written_is_named(
    settings: Settings, analyst: Analyst, job_id: str
) -> None:
    (settings.trace_data_dir / "cache").write_text("no folder")
    with pytest.raises(TraceError, match="TRACE_DATA_DIR"):
        await analyst.ask(Question(job_id, "aggregate", {}))
    (settings.trace_data_dir / "cache").unlink()
    assert await defects(analyst, job_id) == 105


async def test_redis_away_is_an_error_that_passes(settings: Settings) -> None:
    away = settings.model_copy(update={"trace_redis_url": SecretStr("redis://127.0.0.1:1/0")})
    analyst = Analyst(away)
    with pytest.raises(QueueUnavailable):
        await analyst.ask(Question("trace-evt-any", "aggregate", {}))
    await analyst.close()
