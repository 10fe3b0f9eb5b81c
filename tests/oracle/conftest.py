"""Servers and sources on them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import pytest

from tests.chaos.size import pick
from tests.oracle_wire import OracleServer
from tests.support import Plant
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.settings import load_settings
from tracesvc.sources import open_source
from tracesvc.sources.oracle.source import OracleSource

REAL: Final = os.environ.get("TRACE_TEST_ORACLE", "") == "1"
NEEDS_THE_SERVER: Final = frozenset({"server", "tables", "make_server"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A real database has no faults on demand: what asks for them is left out there."""
    if REAL:
        for item in items:
            if "tests/oracle/" in item.nodeid and NEEDS_THE_SERVER & set(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.skip(reason="this one asks the test server for something"))


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def plant(request: pytest.FixtureRequest) -> Plant:
    """2,000 containers; in full 11,400."""
    found: Plant = request.getfixturevalue(pick("small_plant", "medium_plant"))
    return found


@pytest.fixture(scope="module")
def make_server() -> Iterator[Callable[..., OracleServer]]:
    """`make_server(plant=None, **options)`: a server of the module's own."""
    made: list[OracleServer] = []

    def make(plant: Plant | None = None, **options: Any) -> OracleServer:
        made.append(OracleServer(plant.path if plant else None, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture(scope="module")
def server(make_server: Callable[..., OracleServer], plant: Plant) -> OracleServer:
    """19c, with the plant."""
    return make_server(plant)


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of a database with the plant in it: the test server, or the one that DB_* names."""
    if REAL:
        return {"trace_source_url": "oracle://"}
    found: OracleServer = request.getfixturevalue("server")
    return found.settings


@pytest.fixture
async def opened(catalogue: Catalogue) -> AsyncIterator[Callable[..., OracleSource]]:
    """`opened(settings, **more)`: a source, closed at the end."""
    made: list[OracleSource] = []

    def make(settings: dict[str, Any], **more: Any) -> OracleSource:
        source = open_source(load_settings(**settings, **more), catalogue)
        assert isinstance(source, OracleSource)
        made.append(source)
        return source

    yield make
    for source in made:
        await source.close()
