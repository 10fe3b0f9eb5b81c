from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from tracesvc.routes import page, problems

HTML = b'<!doctype html><script type="module" src="/assets/index-1a2b.js"></script>'
SCRIPT = b"console.log('trace')\n" * 200


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(HTML)
    (tmp_path / "assets" / "index-1a2b.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "index-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "secret.txt").write_text("not for the page")
    monkeypatch.setattr(page, "BUILT", tmp_path)
    return tmp_path


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(openapi_url=None)
    app.include_router(page.page_router())
    problems.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        yield client


@pytest.mark.usefixtures("built")
async def test_the_page_is_asked_for_again_each_time(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/", headers={"Accept-Encoding": "identity"})
    assert (answer.status_code, answer.content) == (200, HTML)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.usefixtures("built")
async def test_assets_are_kept_for_good(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/assets/index-1a2b.js", headers={"Accept-Encoding": "identity"})
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert "content-encoding" not in answer.headers


@pytest.mark.usefixtures("built")
async def test_assets_come_compressed_to_those_who_take_it(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/assets/index-1a2b.js", headers={"Accept-Encoding": "gzip, br"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) < len(SCRIPT)
    assert answer.content == SCRIPT
    refused = await browser.get("/assets/index-1a2b.js", headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/", "/assets/index-1a2b.js"])
async def test_nothing_runs_that_is_not_a_file_of_ours(browser: httpx.AsyncClient, path: str) -> None:
    policy = dict(
        part.split(" ", 1)
        for part in (await browser.get(path)).headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert "unsafe-inline" not in policy["script-src"]
    assert "'unsafe-eval'" not in policy["script-src"]
    assert policy["frame-ancestors"] == "'none'"


def test_the_page_may_ask_the_sign_in_service_too() -> None:
    assert "connect-src 'self' data: https://login.plant.example:8443;" in page.policy(
        "https://login.plant.example:8443/realms/fab"
    )
    assert "connect-src 'self' data:;" in page.policy()


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "name",
    ["..%2fsecret.txt", "%2e%2e/secret.txt", "..%5csecret.txt", ".hidden", "missing.js", "index-1a2b.js%00"],
)
async def test_only_files_of_the_page_are_served(browser: httpx.AsyncClient, name: str) -> None:
    answer = await browser.get(f"/assets/{name}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"


async def test_an_installation_without_the_page_says_how_to_get_it(
    browser: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "BUILT", tmp_path / "nothing")
    answer = await browser.get("/")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "make web" in answer.json()["detail"]


@pytest.mark.usefixtures("built")
async def test_the_page_can_be_looked_at_only(browser: httpx.AsyncClient) -> None:
    assert (await browser.head("/")).status_code == 200
    answer = await browser.post("/")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
