"""A live stack for the page's browser tests: `python -m tests.page.stack`.

It speaks JSON by the line. The first line out says where it is and whom its plant knows; each line in asks
for something to happen to it, and is answered once that is so. It ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import redis

from tests.chaos.faults import Faults
from tests.issuer import AUDIENCE, Issuer
from tests.support import Plant, Stack, StackCache, wait_for
from tracesvc.access.api_keys import make_key, write_keys
from tracesvc.demo.plant import make_plant, plant_container_ids

CONTAINERS: Final = 600
SETTINGS: Final[Mapping[str, Any]] = {
    "trace_async_cid_threshold": 200,
    "trace_unit_cids": 50,
    "trace_stream_batch_size": 200,
    "event_fetcher_cache_skip_cid_threshold": 0,  # each statement is the source's, so that faults reach it
    "trace_events_max_workers": 1,
    "event_fetcher_max_workers": 1,
    "trace_caller_max_jobs": 1000,
}


def main() -> None:
    """Run the stack until standard input ends."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plant.duckdb"
        make_plant(path, containers=CONTAINERS, seed=7)
        plant = Plant(path, tuple(plant_container_ids(path)))
        cache = StackCache(Path(folder))
        with Issuer() as issuer:
            try:
                with cache.users() as get:
                    stack = get(plant, worker=("tests.chaos.faulty_worker",), **SETTINGS)
                    _serve(stack, plant, lambda: _locked(get, plant, issuer, Path(folder)))
            finally:
                cache.close()


def _locked(get: Callable[..., Stack], plant: Plant, issuer: Issuer, folder: Path) -> dict[str, Any]:
    """A second service, which wants a key or a token: where it is, and a key that it takes."""
    keys = folder / "keys.json"
    key, entry = make_key("ada", "user", "standard")
    write_keys(keys, [entry])
    oidc = {"issuer": issuer.url, "audience": AUDIENCE, "client_id": "tracesvc-page"}
    settings = {**SETTINGS, "trace_api_keys_file": keys} | {
        f"trace_oidc_{name}": value for name, value in oidc.items()
    }
    stack = get(plant, **settings)
    return {"url": stack.url, "key": key}


def _serve(stack: Stack, plant: Plant, locked: Callable[[], dict[str, Any]]) -> None:
    actions = {**_actions(stack), "locked": locked}
    _say({"url": stack.url, "ids": plant.container_ids})
    for line in sys.stdin:
        told = json.loads(line)
        _say(actions[told.pop("do")](**told) or {"ok": True})


def _say(told: Mapping[str, Any]) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201 -- the other side of the pipe reads it


def _actions(stack: Stack) -> Mapping[str, Callable[..., Any]]:
    """What may be asked for, by name."""
    api, faults = stack.apis[0], Faults(stack.folder)

    def start_api() -> None:
        api.restart()
        wait_for(lambda: _lives(stack.url), timeout=45, message="the API answers again")

    def expire(job_id: str) -> None:
        """What a job's TTL does to its keys, now."""
        with redis.Redis.from_url(stack.redis_url) as client:
            for key in client.scan_iter(match=f"{stack.prefix}trace:job:{job_id}:*", count=1000):
                client.unlink(key)

    def tight(max_memory_bytes: int) -> dict[str, str]:
        """One more API process of the same service, whose pages may hold so many bytes of records."""
        stack.add_api({"TRACE_PAGE_MAX_MEMORY_BYTES": str(max_memory_bytes)})
        return {"url": stack.urls[-1]}

    return {
        "faults": faults.set,
        "kill_api": api.kill,
        "start_api": start_api,
        "expire": expire,
        "tight": tight,
    }


def _lives(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
