"""How much may be asked: rate limits by caller, and bounds on every connection."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Final

import httpx
import psutil
import pytest

from tests.acceptance.test_access import Keys
from tests.asking import ENDED, EVENTS, question, some_ids
from tests.problems import assert_problem, check_problem
from tests.support import Plant, Stack, wait_until

HOUR: Final = {
    f"trace_{budget}_rate_limit_{part}": value
    for budget, most in (("events", 3), ("job", 5), ("result", 4))
    for part, value in (("max_requests", most), ("window_seconds", 3600))
}
JOBS: Final = "/api/trace/jobs"
CALLERS: Final = 20
GONE: Final = "/api/trace/job/trace-evt-gone"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys.json")
    for name in (f"caller{number}" for number in range(CALLERS)):
        keys.add(name)
    keys.add("fast", rate_class="high")
    keys.add("free", rate_class="unlimited")
    return keys


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant, keys: Keys) -> Stack:
    """Two API processes that count together; limits so low that a test can reach them."""
    return stacks(
        tiny_plant, apis=2, workers=0, trace_api_keys_file=keys.path, trace_worker_enabled=False, **HOUR
    )


@pytest.fixture(scope="module")
def unspent(keys: Keys) -> Iterator[dict[str, str]]:
    """The credentials of callers who have asked nothing yet, one after the other."""
    return (keys[f"caller{number}"] for number in range(CALLERS))


@pytest.fixture
def caller(unspent: Iterator[dict[str, str]]) -> dict[str, str]:
    """A caller of the test's own."""
    return next(unspent)


async def ask(api: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    return await api.post(EVENTS, json=question(some_ids(1)), headers=headers)


async def test_one_too_many_is_told_when_to_come_back(
    stack: Stack, api: httpx.AsyncClient, caller: dict[str, str]
) -> None:
    async with stack.client(api=1) as other:
        answers = [await ask(either, caller) for either in (api, other, api, other)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {"3;w=3600"}
    problem = assert_problem(answers[-1], 429, "RATE_LIMITED")
    assert problem["budget"] == "events"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600


async def test_a_refused_request_costs_nothing_at_the_source_and_is_refused_before_its_body_is_read(
    api: httpx.AsyncClient, caller: dict[str, str]
) -> None:
    for _ in range(3):
        await ask(api, caller)
    broken = await api.post(EVENTS, content=b"{", headers=caller | {"Content-Type": "application/json"})
    assert_problem(broken, 429, "RATE_LIMITED")


async def test_polling_eats_no_budget_of_work(api: httpx.AsyncClient, caller: dict[str, str]) -> None:
    polled = [(await api.get(GONE, headers=caller)).status_code for _ in range(6)]
    assert polled == [404] * 5 + [429]
    assert (await ask(api, caller)).status_code == 200
    assert (await api.get(f"{GONE}/stream", headers=caller)).headers["ratelimit-limit"] == "4"


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("GET", f"{GONE}/result", "4"),
        ("GET", f"{GONE}/export", "4"),
        ("GET", f"{GONE}/detail", "4"),
        ("POST", f"{GONE}/aggregate", "4"),
        ("GET", f"{GONE}/coverage", "5"),
        ("GET", GONE, "5"),
        ("DELETE", GONE, "5"),
        ("GET", "/api/trace/catalogue", "5"),
        ("GET", "/api/trace/no-such-route", "5"),
        ("POST", "/api/trace/seed-resolve", "1000000"),
        ("POST", "/api/trace/lineage", "1000000"),
        ("POST", EVENTS, "3"),
    ],
)
async def test_each_kind_of_request_has_its_budget(
    api: httpx.AsyncClient, caller: dict[str, str], method: str, path: str, limit: str
) -> None:
    answer = await api.request(method, path, headers=caller)
    assert answer.headers["ratelimit-limit"] == limit


async def test_callers_do_not_pay_for_each_other_and_classes_differ(
    api: httpx.AsyncClient, keys: Keys, unspent: Iterator[dict[str, str]]
) -> None:
    spender, other = next(unspent), next(unspent)
    assert [(await ask(api, spender)).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert (await ask(api, other)).status_code == 200
    assert (await ask(api, keys["fast"])).headers["ratelimit-limit"] == "30"
    assert "ratelimit-limit" not in (await ask(api, keys["free"])).headers


async def test_guessing_keys_is_slowed_down_by_address(stack: Stack) -> None:
    wrong = {"Authorization": "Bearer trace_000000000000_" + "A" * 43}
    async with stack.client(transport=httpx.AsyncHTTPTransport(local_address="127.0.0.9")) as api:
        codes = [(await api.get(JOBS, headers=wrong)).status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]


async def test_health_and_description_are_not_counted(api: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz", "/openapi.json", "/docs"):
        assert "ratelimit-limit" not in (await api.get(path)).headers


SECURE: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/livez", JOBS, "/nowhere", "/docs", "/api/trace/access", "/metrics"])
async def test_every_answer_tells_browsers_to_make_little_of_it(api: httpx.AsyncClient, path: str) -> None:
    headers = (await api.get(path)).headers
    assert SECURE.items() <= dict(headers).items()
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "strict-transport-security" not in headers
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


async def test_the_description_s_page_loads_everything_from_here(api: httpx.AsyncClient) -> None:
    page = (await api.get("/docs")).text
    assert "//" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "favicon-32x32.png"):
        assert f"/docs/{name}" in page
        assert (await api.get(f"/docs/{name}")).status_code == 200
    assert (await api.get("/docs/..%2fopenapi.py")).status_code == 404


@pytest.fixture(scope="module")
def shared(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    """A service without access control that believes its proxy, and lets one other origin in."""
    return stacks(
        tiny_plant,
        workers=0,
        trace_worker_enabled=False,
        trace_cors_origins="https://mes.example, https://b.example",
        trace_forwarded_allow_ips="127.0.0.1",
        **HOUR,
    )


async def test_pages_of_listed_origins_may_ask(shared: Stack) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    async with shared.client() as api:
        listed = await api.options(EVENTS, headers=asked | {"Origin": "https://mes.example"})
        assert listed.headers["access-control-allow-origin"] == "https://mes.example"
        assert "access-control-allow-credentials" not in listed.headers
        other = await api.options(EVENTS, headers=asked | {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_behind_a_proxy_callers_are_told_apart_and_tls_is_insisted_on(shared: Stack) -> None:
    async with shared.client() as api:
        for _ in range(4):
            spent = await ask(api, {"X-Forwarded-For": "10.1.1.1"})
        assert_problem(spent, 429, "RATE_LIMITED")
        other = await ask(api, {"X-Forwarded-For": "10.1.1.2", "X-Forwarded-Proto": "https"})
        assert other.status_code == 200
        assert other.headers["strict-transport-security"] == "max-age=31536000"


async def test_without_a_believed_proxy_the_header_is_only_a_claim(api: httpx.AsyncClient) -> None:
    answers = [await api.get(JOBS, headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(7)]
    assert answers[-1].status_code == 429


@pytest.fixture(scope="module")
def bounded(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    """A service with little patience and few connections."""
    return stacks(
        small_plant,
        workers=1,
        trace_header_timeout_seconds=0.5,
        trace_body_timeout_seconds=1,
        trace_send_timeout_seconds=1,
        trace_max_connections=20,
    )


def connect(stack: Stack, **options: int) -> socket.socket:
    connection = socket.socket()
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", stack.ports[0]))
    return connection


def until_closed(connection: socket.socket) -> bytes:
    """Everything that comes until the server hangs up; fails after 30 s in which it does not."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def refused(answer: bytes, status: int) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    check_problem(status, {name.lower(): value for name, value in pairs}, body)


HEAD: Final = (
    b"POST /api/trace/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
)


@pytest.mark.parametrize(
    "sent", [b"", b"G", b"GET / HTTP/1.1\r\nX-", b"\r\n", HEAD + b"\r\n", HEAD + b"\r\n{"]
)
def test_a_request_that_does_not_come_is_not_waited_for(bounded: Stack, sent: bytes) -> None:
    with connect(bounded) as connection:
        connection.sendall(sent)
        refused(until_closed(connection), 408)


def test_a_head_that_comes_byte_by_byte_has_no_more_time(bounded: Stack) -> None:
    with connect(bounded) as connection:
        connection.settimeout(0.05)
        answer = b""
        for number in range(600):
            try:
                connection.sendall(b"GET /livez HTTP/1.1\r\nX-A: "[number : number + 1] or b"a")
                answer = connection.recv(65536)
            except TimeoutError:
                continue
            break
        refused(answer, 408)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 100_000,
        b"GET / HTTP/1.1\r\nX-A: " + b"a" * 400_000,
        b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 20_000 + b"\r\n",
    ],
)
def test_a_head_without_end_is_refused(bounded: Stack, sent: bytes) -> None:
    with connect(bounded) as connection:
        connection.sendall(sent)
        refused(until_closed(connection), 431)


async def test_a_client_that_takes_nothing_is_cut_off_and_its_job_stays(
    bounded: Stack, small_plant: Plant
) -> None:
    body = question(small_plant.container_ids, domains=["history", "rejects"])
    async with bounded.client() as api:
        answer = await api.post(EVENTS, json=body, headers={"Prefer": "respond-async"})
        job = answer.json()["status_url"]

        async def ended() -> bool:
            return (await api.get(job, params={"wait": 5})).json()["status"] in ENDED

        await wait_until(ended)
        with connect(bounded, SO_RCVBUF=4096) as connection:
            connection.sendall(f"GET {job}/stream HTTP/1.1\r\nHost: x\r\n\r\n".encode())

            async def cut() -> bool:
                return not any(  # what the server still holds open, but for this test's own client
                    getattr(each.raddr, "port", None) == connection.getsockname()[1]
                    for each in psutil.Process(bounded.apis[0].pid).net_connections("tcp")
                )

            await wait_until(cut)
        assert (await api.get(job)).json()["status"] == "finished"


def test_more_connections_than_may_be_are_told_so_and_then_there_is_room_again(bounded: Stack) -> None:
    open_ones = [connect(bounded) for _ in range(19)]
    try:
        late = [connect(bounded) for _ in range(3)]
        refused(until_closed(late[-1]), 503)
    finally:
        for connection in (*open_ones, *late):
            connection.close()
    assert httpx.get(f"{bounded.url}/livez").status_code == 200
