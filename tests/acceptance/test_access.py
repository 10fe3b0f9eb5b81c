"""Who may ask: API keys, tokens, and whose job is whose. Strangers get nothing, on any route."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.asking import EVENTS, question
from tests.issuer import Issuer
from tests.problems import assert_problem
from tests.support import Plant, Stack, child_env, wait_until
from tracesvc.access.api_keys import make_key, write_keys
from tracesvc.access.caller import RateClass, Role

ASYNC = {"Prefer": "respond-async", "Cache-Control": "no-cache"}
UNKNOWN = "trace-evt-AAAAAAAAAAAAAAAAAAAAAAAA"
PUBLIC = {"/livez", "/readyz", "/api/trace/access"}


class Keys:
    """A key file and the keys that stand in it, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: dict[str, str] = {}
        self._entries: dict[str, Any] = {}

    def add(self, name: str, role: Role = "user", rate_class: RateClass = "standard") -> str:
        key, entry = make_key(name, role, rate_class)
        self.keys[name], self._entries[name] = key, entry
        write_keys(self.path, list(self._entries.values()))
        return key

    def revoke(self, name: str) -> None:
        del self._entries[name]
        write_keys(self.path, list(self._entries.values()))

    def __getitem__(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys.json")
    for name, role in (("alice", "user"), ("bob", "user"), ("boss", "operator"), ("prom", "monitor")):
        keys.add(name, role)  # type: ignore[arg-type]
    return keys


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant, keys: Keys, issuer: Issuer) -> Stack:
    """A locked service that takes both kinds of credentials."""
    return stacks(
        tiny_plant,
        trace_api_keys_file=keys.path,
        trace_oidc_issuer=issuer.url,
        trace_oidc_audience="tracesvc",
    )


async def job_of(api: httpx.AsyncClient, headers: dict[str, str], plant: Plant) -> str:
    """A finished job of that caller."""
    body = question(plant.container_ids[:3], domains=["history"])
    answer = await api.post(EVENTS, json=body, headers=headers | ASYNC)
    assert answer.status_code == 202, answer.text
    job_id = str(answer.json()["job_id"])

    async def ended() -> bool:
        status = await api.get(f"/api/trace/job/{job_id}", params={"wait": 5}, headers=headers)
        return bool(status.json()["status"] == "finished")

    await wait_until(ended)
    return job_id


async def every_route(api: httpx.AsyncClient, job_id: str) -> list[tuple[str, str]]:
    """Method and path of everything that is described, about that job."""
    paths = (await api.get("/openapi.json")).json()["paths"]
    return [
        (method.upper(), path.replace("{job_id}", job_id))
        for path, operations in paths.items()
        for method in operations
    ]


async def answers_of(api: httpx.AsyncClient, headers: dict[str, str], job_id: str) -> dict[str, Any]:
    """What each route but the public ones says, by method and path."""
    body = {"json": question(["0" * 16]), "params": {"domain": "history"}}
    return {
        f"{method} {path}": await api.request(
            method,
            path,
            headers=headers,
            **(body if method == "POST" else {}),  # type: ignore[arg-type]
        )
        for method, path in await every_route(api, job_id)
        if path not in PUBLIC
    }


WRONG = {
    "none": {},
    "empty": {"Authorization": "Bearer"},
    "another scheme": {"Authorization": "Basic YWxpY2U6YWxpY2U="},
    "no key": {"Authorization": "Bearer nobody-knows"},
    "a key of nobody": {"Authorization": "Bearer trace_000000000000_" + "A" * 43},
    "an empty key header": {"X-API-Key": ""},
    "a long one": {"Authorization": "Bearer trace_" + "A" * 30_000},
    "strange bytes": {"Authorization": "Bearer caf\u00e9\u00ff"},
    "no token": {"Authorization": "Bearer a.b.c"},
}


@pytest.mark.parametrize("credential", WRONG.values(), ids=WRONG)
async def test_a_stranger_gets_nothing_on_any_route(
    api: httpx.AsyncClient, keys: Keys, tiny_plant: Plant, credential: dict[str, str]
) -> None:
    job_id = await job_of(api, keys["alice"], tiny_plant)
    headers = {name: value.encode("latin-1") for name, value in credential.items()}
    known = await answers_of(api, headers, job_id)  # type: ignore[arg-type]
    unknown = await answers_of(api, headers, UNKNOWN)  # type: ignore[arg-type]
    assert len(known) > 6
    for answer in (*known.values(), *unknown.values()):
        assert_problem(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert [a.json() for a in known.values()] == [a.json() for a in unknown.values()]


@pytest.mark.parametrize(
    "path",
    ["/api/trace/nothing", "/api", "/api/", "/api/trace", "/api/trace/../trace/jobs", "/api//trace/jobs",
     "/api/trace/jobs/",
      "/api/trace/job/%2e%2e/jobs", "/api/trace/%6aobs", "/api/trace/job/a%00b", "/metrics"],
)  # fmt: skip
async def test_no_way_of_writing_a_path_goes_around_the_door(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(httpx.URL(str(api.base_url)).copy_with(raw_path=path.encode()))
    assert_problem(answer, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "path", ["//api/trace/jobs", "/API/trace/jobs", "/x/../api/trace/jobs", "/./metrics"]
)
async def test_other_ways_of_writing_it_lead_nowhere(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(httpx.URL(str(api.base_url)).copy_with(raw_path=path.encode()))
    assert answer.status_code in {401, 404}


@pytest.mark.parametrize("header", ["X-Forwarded-User", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-For"])
async def test_no_header_stands_in_for_a_credential(api: httpx.AsyncClient, header: str) -> None:
    answer = await api.get("/api/trace/jobs", headers={header: "/livez", "Remote-User": "boss"})
    assert_problem(answer, 401, "UNAUTHENTICATED")


async def test_without_a_credential_health_says_only_whether(api: httpx.AsyncClient, keys: Keys) -> None:
    assert (await api.get("/livez")).json() == {"status": "ok"}
    assert (await api.get("/readyz")).json() == {"status": "ok"}
    assert "checks" in (await api.get("/readyz", headers=keys["prom"])).json()


def test_a_body_is_not_waited_for_before_the_caller_is_known(stack: Stack) -> None:
    head = (
        "POST /api/trace/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 33000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.ports[0]), timeout=30) as connection:
        connection.sendall(head.encode() + b"[" * 1000)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))  # until the server hangs up
    assert answer.startswith(b"HTTP/1.1 401")
    assert answer.count(b"HTTP/1.1") == 1


async def test_another_caller_s_job_reads_as_an_unknown_one(
    api: httpx.AsyncClient, keys: Keys, tiny_plant: Plant
) -> None:
    job_id = await job_of(api, keys["alice"], tiny_plant)
    theirs = await answers_of(api, keys["bob"], job_id)
    unknown = await answers_of(api, keys["bob"], UNKNOWN)
    for (route, found), missing in zip(theirs.items(), unknown.values(), strict=True):
        if job_id in route:
            assert found.status_code in {404, 422}, route
            assert found.text.replace(job_id, UNKNOWN) == missing.text
    assert job_id not in (await api.get("/api/trace/jobs", headers=keys["bob"])).text
    status = await api.get(f"/api/trace/job/{job_id}", headers=keys["alice"])
    assert status.json()["status"] == "finished", "their DELETE did nothing"


async def test_the_same_question_of_two_callers_is_two_jobs(
    api: httpx.AsyncClient, keys: Keys, tiny_plant: Plant
) -> None:
    body = question(tiny_plant.container_ids[:4], domains=["history"])
    asked = [
        await api.post(EVENTS, json=body, headers=keys[name] | {"Prefer": "respond-async"})
        for name in ("alice", "bob", "alice")
    ]
    ids = [answer.json()["job_id"] for answer in asked]
    assert ids[0] == ids[2] != ids[1]


async def test_operators_see_and_delete_everybody_s_jobs(
    api: httpx.AsyncClient, keys: Keys, tiny_plant: Plant
) -> None:
    job_id = await job_of(api, keys["alice"], tiny_plant)
    listed = await api.get("/api/trace/jobs", headers=keys["boss"])
    assert job_id in [job["job_id"] for job in listed.json()["jobs"]]
    assert (await api.get(f"/api/trace/job/{job_id}/stream", headers=keys["boss"])).status_code == 200
    assert (await api.delete(f"/api/trace/job/{job_id}", headers=keys["boss"])).status_code == 200
    gone = await api.get(f"/api/trace/job/{job_id}", headers=keys["alice"])
    assert_problem(gone, 404, "JOB_NOT_FOUND")


async def test_an_older_layout_s_result_is_for_operators(
    stack: Stack, api: httpx.AsyncClient, keys: Keys
) -> None:
    document = {
        "stage": "events",
        "results": {"history": {"data": [{"CONTAINERID": "a"}], "count": 1, "total": 1}},
    }
    async with stack.redis() as store:
        await store.set(stack.key("old1", "result"), json.dumps(document), ex=60)
    alice = await api.get("/api/trace/job/old1/result", headers=keys["alice"])
    assert_problem(alice, 404, "JOB_NOT_FOUND")
    assert (await api.get("/api/trace/job/old1/result", headers=keys["boss"])).status_code == 200


async def test_a_monitor_reads_metrics_and_nothing_else(api: httpx.AsyncClient, keys: Keys) -> None:
    assert (await api.get("/metrics", headers=keys["prom"])).status_code == 200
    assert_problem(await api.get("/api/trace/jobs", headers=keys["prom"]), 403, "FORBIDDEN")
    assert_problem(await api.post(EVENTS, json={}, headers=keys["prom"]), 403, "FORBIDDEN")


async def test_keys_come_and_go_without_a_restart(api: httpx.AsyncClient, keys: Keys) -> None:
    headers = {"X-API-Key": keys.add("carol")}

    async def status() -> int:
        return (await api.get("/api/trace/jobs", headers=headers)).status_code

    async def admitted() -> bool:
        return await status() == 200

    async def refused() -> bool:
        return await status() == 401

    await wait_until(admitted)
    whole = keys.path.read_text()
    keys.path.write_text(whole[: len(whole) // 2])  # half written: nobody is locked out, nobody let in
    assert await status() == 200
    keys.revoke("carol")
    await wait_until(refused)
    assert (await api.get("/api/trace/jobs", headers=keys["alice"])).status_code == 200


async def test_access_says_how_to_sign_in_and_as_whom(
    api: httpx.AsyncClient, keys: Keys, issuer: Issuer
) -> None:
    stranger = (await api.get("/api/trace/access")).json()
    assert stranger == {
        "required": True,
        "ways": ["key", "oidc"],
        "oidc": {"issuer": issuer.url, "client_id": None},
        "caller": None,
    }
    alice = (await api.get("/api/trace/access", headers=keys["alice"])).json()
    assert alice["caller"] == {"name": "alice", "role": "user"}


async def test_a_token_of_the_issuer_is_taken(
    api: httpx.AsyncClient, keys: Keys, issuer: Issuer, tiny_plant: Plant
) -> None:
    headers = issuer.headers(sub="alice")
    job_id = await job_of(api, headers, tiny_plant)
    mine = await api.get(f"/api/trace/job/{job_id}", headers=issuer.headers(sub="alice"))
    assert mine.status_code == 200
    key_of_the_same_name = await api.get(f"/api/trace/job/{job_id}", headers=keys["alice"])
    assert_problem(key_of_the_same_name, 404, "JOB_NOT_FOUND")
    operator = issuer.headers(sub="ops", roles=["x", "tracesvc-operator"])
    assert (await api.get(f"/api/trace/job/{job_id}", headers=operator)).status_code == 200


REFUSED: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda i: i.token(exp=-3600),
    "without an end": lambda i: i.token(exp=None),
    "not valid yet": lambda i: i.token(nbf=3600),
    "for another service": lambda i: i.token(aud="mes"),
    "for none": lambda i: i.token(aud=None),
    "of another issuer": lambda i: i.token(iss="https://elsewhere.example"),
    "without a name": lambda i: i.token(sub=None),
    "a name of control characters": lambda i: i.token(sub="a\nb"),
    "a name that is a number": lambda i: i.token(sub=7),
    "signed by a stranger": lambda i: i.forged(),
    "altered": lambda i: i.altered(sub="boss"),
    "not signed": lambda i: i.unsigned(),
    "signed with the public key as a secret": lambda i: i.confused(),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
async def test_any_other_token_is_refused(
    api: httpx.AsyncClient, issuer: Issuer, make: Callable[[Issuer], str]
) -> None:
    answer = await api.get("/api/trace/jobs", headers={"Authorization": f"Bearer {make(issuer)}"})
    assert_problem(answer, 401, "UNAUTHENTICATED")


async def test_secrets_stand_nowhere(
    stack: Stack, api: httpx.AsyncClient, keys: Keys, issuer: Issuer, tiny_plant: Plant
) -> None:
    await job_of(api, keys["alice"], tiny_plant)
    token = issuer.token()
    await api.get("/api/trace/jobs", headers={"Authorization": f"Bearer {token}"})
    await api.get("/api/trace/jobs", headers={"Authorization": "Bearer trace_wrong"})
    shown = stack.logs() + (await api.get("/metrics", headers=keys["boss"])).text + keys.path.read_text()
    titles = (
        [Path(f"/proc/{part.pid}/cmdline").read_text() for part in stack.parts] if os.name == "posix" else []
    )
    async with stack.redis() as store:
        names = b" ".join([name async for name in store.scan_iter(f"{stack.prefix}*", count=1000)]).decode()
    for secret in (*keys.keys.values(), token):
        assert secret not in shown + names + " ".join(titles)
    assert "caller=alice" in shown


def test_listening_for_others_without_access_control_is_refused(tmp_path: Path, tiny_plant: Plant) -> None:
    settings = {"trace_redis_url": "redis://127.0.0.1:1/0", "trace_source_url": tiny_plant.url}
    command = [sys.executable, "-m", "tracesvc", "api", "--host", "0.0.0.0", "--port", "0"]
    ended = subprocess.run(
        command, env=child_env(settings), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "TRACE_API_KEYS_FILE" in ended.stderr
    assert "Traceback" not in ended.stderr
