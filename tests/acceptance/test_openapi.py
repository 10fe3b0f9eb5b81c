"""The description of the API, the catalogue it serves, and its health: as documents that clients build on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, get_args

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, OpenAPIV32SpecValidator
from referencing import Registry, Resource

from tests.asking import ASYNC, EVENTS, finished, question
from tests.support import Plant, Stack
from tracesvc.lines import Line

Document = dict[str, Any]
NDJSON: Final = "application/x-ndjson"
MODELS: Final = {model.__name__: model for model in get_args(get_args(Line)[0])}
METHODS: Final = ("get", "post", "put", "patch", "delete")
STREAM: Final = "/api/trace/job/{job_id}/stream"
ROUTES: Final = {
    ("post", "/api/trace/events"),
    ("get", "/api/trace/jobs"),
    ("get", "/api/trace/job/{job_id}"),
    ("delete", "/api/trace/job/{job_id}"),
    ("get", STREAM),
    ("get", "/api/trace/job/{job_id}/result"),
    ("get", "/api/trace/job/{job_id}/coverage"),
    ("post", "/api/trace/job/{job_id}/aggregate"),
    ("get", "/api/trace/job/{job_id}/detail"),
    ("get", "/api/trace/catalogue"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}
ERRORS: Final = {
    ("post", "/api/trace/events"): {"406", "413", "415", "422", "429", "503", "504"},
    ("get", "/api/trace/jobs"): {"422", "503"},
    ("get", "/api/trace/job/{job_id}"): {"404", "422", "503"},
    ("delete", "/api/trace/job/{job_id}"): {"404", "503"},
    ("get", STREAM): {"404", "409", "422", "503"},
    ("get", "/api/trace/job/{job_id}/result"): {"404", "409", "422", "503"},
    ("get", "/api/trace/job/{job_id}/coverage"): {"404", "422", "503"},
    ("post", "/api/trace/job/{job_id}/aggregate"): {"404", "409", "413", "415", "422", "503"},
    ("get", "/api/trace/job/{job_id}/detail"): {"404", "406", "409", "422", "503"},
}
BASE: Final = "urn:openapi"


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=1)


@pytest.fixture
async def document(api: httpx.AsyncClient) -> Document:
    found: Document = (await api.get("/openapi.json")).json()
    return found


@pytest.fixture
async def document_31(api: httpx.AsyncClient) -> Document:
    found: Document = (await api.get("/openapi-3.1.json")).json()
    return found


def operations(document: Document) -> dict[tuple[str, str], Document]:
    return {
        (method, path): item[method]
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }


def resolved(document: Document, node: Document) -> Document:
    """The node, or what its `$ref` points to."""
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def refs(node: object) -> set[str]:
    """The names of all components that are named below the node."""
    if isinstance(node, dict):
        own = {node["$ref"].rsplit("/", 1)[-1]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(refs, node.values()))
    return set().union(*map(refs, node)) if isinstance(node, list) else set()


def all_refs(document: Document, node: object) -> set[str]:
    """The same, through the components that are named."""
    found: set[str] = set()
    new = refs(node)
    while new:
        found |= new
        new = set().union(*(refs(document["components"]["schemas"].get(name, {})) for name in new)) - found
    return found


def validator(document: Document, pointer: str) -> Draft202012Validator:
    """A validator of the schema at a JSON pointer, whose references stay inside the document."""
    registry: Registry[Any] = Registry().with_resource(BASE, Resource.opaque(document))
    return Draft202012Validator({"$ref": f"{BASE}#{pointer}"}, registry=registry)


def pointer_to(method: str, path: str, status: int, media_type: str, member: str = "schema") -> str:
    steps = ["paths", path, method, "responses", str(status), "content", media_type, member]
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


# The documents


async def test_the_document_is_openapi_3_2_and_valid(document: Document) -> None:
    assert re.fullmatch(r"3\.2\.\d+", document["openapi"])
    OpenAPIV32SpecValidator(document).validate()


async def test_the_derived_document_is_openapi_3_1_and_valid(document_31: Document) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document_31["openapi"])
    OpenAPIV31SpecValidator(document_31).validate()
    assert "itemSchema" not in json.dumps(document_31)


async def test_the_derived_document_says_the_same(document: Document, document_31: Document) -> None:
    assert set(operations(document_31)) == set(operations(document))
    assert document_31["info"] == document["info"]
    assert set(document["components"]["schemas"]) <= set(document_31["components"]["schemas"])


async def test_every_route_is_described_with_an_id_and_a_sentence(document: Document) -> None:
    found = operations(document)
    assert set(found) >= ROUTES
    ids = [operation["operationId"] for operation in found.values()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9]*(_[a-z0-9]+)*", name) for name in ids)
    assert all("api_trace" not in name for name in ids), "ids are for people who read generated clients"
    assert all(operation.get("summary") or operation.get("description") for operation in found.values())


async def test_every_reference_leads_somewhere(document: Document, document_31: Document) -> None:
    for found in (document, document_31):
        names = set(found["components"]["schemas"])
        assert refs([found["paths"], found["components"]["schemas"]]) <= names | set(
            found["components"].get("responses", {})
        ) | set(found["components"].get("parameters", {}))


# Lines


async def test_every_line_type_is_a_component(document: Document, document_31: Document) -> None:
    for found in (document, document_31):
        assert set(MODELS) <= set(found["components"]["schemas"])
        for name, model in MODELS.items():
            schema = found["components"]["schemas"][name]
            assert list(schema["properties"]) == list(model.model_fields)
            assert schema["properties"]["type"]["const"] == model.model_fields["type"].default


@pytest.mark.parametrize(("method", "path"), [("get", STREAM), ("post", EVENTS)])
async def test_the_items_of_a_stream_are_the_union_of_all_lines(
    document: Document, document_31: Document, method: str, path: str
) -> None:
    stream = resolved(document, operations(document)[method, path]["responses"]["200"])["content"][NDJSON]
    derived = resolved(document_31, operations(document_31)[method, path]["responses"]["200"])["content"][
        NDJSON
    ]
    assert "schema" not in stream
    assert set(MODELS) <= all_refs(document, stream["itemSchema"])
    assert set(MODELS) <= all_refs(document_31, derived["schema"])
    union = resolved(document, stream["itemSchema"])
    assert union["discriminator"]["propertyName"] == "type"
    assert set(union["discriminator"]["mapping"]) == {
        model.model_fields["type"].default for model in MODELS.values()
    }
    assert resolved(document_31, derived["schema"]) == union


async def test_each_line_of_a_stream_is_valid(
    api: httpx.AsyncClient, document: Document, tiny_plant: Plant
) -> None:
    job_id = await finished(api, tiny_plant.container_ids)
    job = (await api.get(f"/api/trace/job/{job_id}/stream")).content.splitlines()
    answer = await api.post(EVENTS, json=question(tiny_plant.container_ids), headers={"Accept": NDJSON})
    checks = [
        (validator(document, pointer_to("get", STREAM, 200, NDJSON, "itemSchema")), job),
        (
            validator(document, pointer_to("post", EVENTS, 200, NDJSON, "itemSchema")),
            answer.content.splitlines(),
        ),
    ]
    for check, lines in checks:
        assert len(lines) > 10
        for line in lines:
            check.validate(json.loads(line))
        with pytest.raises(Exception, match="is not valid"):
            check.validate({"type": "records", "domain": "history"})


# Answers


async def test_answers_are_valid(api: httpx.AsyncClient, document: Document, tiny_plant: Plant) -> None:
    ids = tiny_plant.container_ids
    job_id = await finished(api, ids)
    job = f"/api/trace/job/{job_id}"
    gets = [
        ("/api/trace/jobs", "/api/trace/jobs"),
        ("/api/trace/job/{job_id}", job),
        ("/api/trace/job/{job_id}/result", f"{job}/result"),
        ("/api/trace/job/{job_id}/result", f"{job}/result?domain=history"),
        ("/api/trace/catalogue", "/api/trace/catalogue"),
        ("/livez", "/livez"),
        ("/readyz", "/readyz"),
    ]
    answers = [("get", path, await api.get(url)) for path, url in gets]
    answers.append(("post", EVENTS, await api.post(EVENTS, json=question(ids))))
    answers.append(("post", EVENTS, await api.post(EVENTS, json=question(ids), headers=ASYNC)))
    answers.append(("delete", "/api/trace/job/{job_id}", await api.delete(job)))
    for method, path, answer in answers:
        assert answer.status_code in {200, 202}, answer.text
        pointer = pointer_to(method, path, answer.status_code, "application/json")
        validator(document, pointer).validate(answer.json())


async def test_the_body_of_a_question_is_described(document: Document) -> None:
    body = resolved(document, operations(document)["post", EVENTS]["requestBody"])
    schema = resolved(document, body["content"]["application/json"]["schema"])
    assert {"profile", "container_ids", "domains", "params", "seed_container_ids", "lineage", "seeds"} <= set(
        schema["properties"]
    )
    assert "profile" in schema["required"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("key", list(ERRORS), ids=" ".join)
async def test_the_errors_of_a_route_are_described_as_problems(
    document: Document, key: tuple[str, str]
) -> None:
    responses = operations(document)[key]["responses"]
    assert set(responses) >= ERRORS[key]
    for status in ERRORS[key]:
        content = resolved(document, responses[status])["content"]
        assert set(content) == {"application/problem+json"}
        assert refs(content)


async def test_errors_are_valid_as_described(api: httpx.AsyncClient, document: Document) -> None:
    answers = [
        ("post", EVENTS, await api.post(EVENTS, json={})),
        ("post", EVENTS, await api.post(EVENTS, content=b"x", headers={"Content-Type": "text/plain"})),
        ("get", "/api/trace/jobs", await api.get("/api/trace/jobs?limit=0")),
        ("get", "/api/trace/job/{job_id}", await api.get("/api/trace/job/x")),
        ("get", STREAM, await api.get("/api/trace/job/x/stream")),
    ]
    for method, path, answer in answers:
        shared = resolved(document, operations(document)[method, path]["responses"][str(answer.status_code)])
        schema = shared["content"]["application/problem+json"]["schema"]
        name = schema["$ref"].removeprefix("#")
        validator(document, name).validate(answer.json())


async def test_parameters_and_their_bounds_are_described(document: Document) -> None:
    def named(path: str) -> dict[str, Document]:
        found = [resolved(document, node) for node in operations(document)["get", path]["parameters"]]
        return {node["name"]: resolved(document, node["schema"]) for node in found}

    limit = named("/api/trace/jobs")["limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 20)
    page = named("/api/trace/job/{job_id}/result")
    assert set(page) >= {"job_id", "domain", "offset", "limit"}
    text = json.dumps(page)
    assert "50000" in text
    assert "5000" in text
    assert set(named(STREAM)) >= {"job_id", "after", "domain", "follow"}
    assert "wait" in named("/api/trace/job/{job_id}")


async def test_the_page_for_people_is_served(api: httpx.AsyncClient) -> None:
    answer = await api.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    script = await api.get("/docs/start.js")
    assert "/openapi" in script.text


# The catalogue


HISTORY = [
    ("CONTAINERID", "string"),
    ("WORKCENTERNAME", "string"),
    ("EQUIPMENTID", "string"),
    ("EQUIPMENTNAME", "string"),
    ("SPECNAME", "string"),
    ("TRACKINTIMESTAMP", "timestamp"),
    ("TRACKOUTTIMESTAMP", "timestamp"),
    ("TRACKINQTY", "number"),
    ("TRACKOUTQTY", "number"),
    ("FINISHEDRUNCARD", "string"),
    ("PJ_WORKORDER", "string"),
    ("CONTAINERNAME", "string"),
    ("PJ_TYPE", "string"),
    ("PJ_BOP", "string"),
    ("WAFER_LOT_ID", "string"),
    ("PARTIAL_COUNT", "integer"),
]
DOMAIN_NAMES = {"history", "materials", "rejects", "holds", "jobs", "upstream_history", "downstream_rejects"}


def by_name(found: Any) -> dict[str, Document]:
    """Entries by name, whether they come as an object or as a list of named objects."""
    return dict(found) if isinstance(found, dict) else {entry["name"]: entry for entry in found}


async def test_the_catalogue_names_profiles_and_their_domains(api: httpx.AsyncClient) -> None:
    body = (await api.get("/api/trace/catalogue")).json()
    profiles = by_name(body["profiles"])
    assert set(profiles) == {"query_tool", "query_tool_reverse", "mid_section_defect"}
    for name in ("query_tool", "query_tool_reverse"):
        assert json.dumps(["history", "materials", "rejects", "holds", "jobs"]) in json.dumps(profiles[name])
    for domain in ("upstream_history", "materials", "downstream_rejects"):
        assert domain in json.dumps(profiles["mid_section_defect"])


async def test_the_catalogue_names_domains_with_columns_and_types(api: httpx.AsyncClient) -> None:
    domains = by_name((await api.get("/api/trace/catalogue")).json()["domains"])
    assert set(domains) == DOMAIN_NAMES
    for domain in domains.values():
        assert {column["type"] for column in domain["columns"]} <= {
            "string",
            "integer",
            "number",
            "boolean",
            "timestamp",
        }
        assert "CONTAINERID" in {column["name"] for column in domain["columns"]}
    assert [(column["name"], column["type"]) for column in domains["history"]["columns"]] == HISTORY


async def test_the_catalogue_tells_no_sql(api: httpx.AsyncClient) -> None:
    text = (await api.get("/api/trace/catalogue")).text
    assert "SELECT" not in text.upper()
    assert "DW_MES" not in text


async def test_the_catalogue_says_the_limits_in_force(
    stacks: Callable[..., Stack], tiny_plant: Plant
) -> None:
    bounds = {
        "trace_async_cid_threshold": 7,
        "trace_events_cid_limit": 1234,
        "trace_max_body_bytes": 54_321,
        "trace_stream_batch_size": 4321,
    }
    async with stacks(tiny_plant, workers=0, **bounds).client() as api:
        limits = (await api.get("/api/trace/catalogue")).json()["limits"]
    assert set(bounds.values()) <= {value for value in limits.values() if isinstance(value, int)}


async def test_the_columns_of_a_stream_are_the_catalogues(api: httpx.AsyncClient, tiny_plant: Plant) -> None:
    domains = by_name((await api.get("/api/trace/catalogue")).json()["domains"])
    body = question(tiny_plant.container_ids, domains=sorted(DOMAIN_NAMES))
    answer = await api.post(EVENTS, json=body, headers={"Accept": NDJSON})
    starts = [line for line in map(json.loads, answer.content.splitlines()) if line["type"] == "domain_start"]
    assert [line["domain"] for line in starts] == sorted(DOMAIN_NAMES)
    for line in starts:
        declared = [
            {"name": column["name"], "type": column["type"]} for column in domains[line["domain"]]["columns"]
        ]
        assert line["columns"] == declared


# Health


async def test_a_ready_service_names_each_dependency_and_each_worker(
    stack: Stack, api: httpx.AsyncClient
) -> None:
    assert (await api.get("/livez")).status_code == 200
    answer = await api.get("/readyz")
    assert answer.status_code == 200
    text = answer.text.lower()
    assert "redis" in text
    assert "source" in text
    assert len(stack.announced()) >= 1


async def test_health_tells_no_address_and_no_secret(
    api: httpx.AsyncClient, stack: Stack, tiny_plant: Plant
) -> None:
    for path in ("/livez", "/readyz"):
        text = (await api.get(path)).text
        assert "redis://" not in text
        assert stack.redis_url not in text
        assert str(tiny_plant.path.parent) not in text


async def test_the_service_is_live_without_a_worker(stacks: Callable[..., Stack], tiny_plant: Plant) -> None:
    alone = stacks(tiny_plant, workers=0)
    async with alone.client() as api:
        assert (await api.get("/livez")).status_code == 200
        ready = await api.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"]["workers"]["workers"] == []
