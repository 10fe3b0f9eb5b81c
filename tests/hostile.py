"""Requests that nobody should send: a fixed list and a seeded generator, each as the bytes on the wire."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

EVENTS: Final = b"/api/trace/events"
JSON_TYPE: Final = (b"Content-Type", b"application/json")
TEN_MB: Final = 10_000_000
VALID: Final = b'{"profile":"query_tool","container_ids":["a"]}'

SQL: Final = (
    "' OR '1'='1",
    "a'; DROP TABLE DWH.DW_MES_CONTAINER; --",
    'a") UNION SELECT * FROM DWH.DW_MES_JOB --',
    "$container_ids",
    ":container_ids",
    "%",
    "_",
    "\\",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "a,b,c",
    "../../etc/passwd",
    "%00",
    "<script>alert(1)</script>",
    "\u202e\u200b\ufeffa",
    "𐐷" * 64,
)


@dataclass(frozen=True)
class Shot:
    """One request; `refused` when it is malformed and must be answered with a 4xx."""

    name: str
    data: bytes
    refused: bool


def request(
    method: bytes,
    target: bytes,
    body: bytes | None = None,
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    chunk: int = 0,
) -> bytes:
    """The bytes of a request; `chunk` > 0 sends the body in chunks of that size, without a length."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: plant"]
    lines += [name + b": " + value for name, value in headers]
    if body is not None:
        lines.append(b"Transfer-Encoding: chunked" if chunk else b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (_chunked(body or b"", chunk) if chunk else body or b"")


def _chunked(body: bytes, size: int) -> bytes:
    cuts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(cut), cut) for cut in cuts) + b"0\r\n\r\n"


def post(
    name: str, body: bytes, *, refused: bool = True, headers: Sequence[tuple[bytes, bytes]] = ()
) -> Shot:
    """A question."""
    return Shot(name, request(b"POST", EVENTS, body, [JSON_TYPE, *headers]), refused)


def get(
    name: str, target: bytes, *, refused: bool = True, headers: Sequence[tuple[bytes, bytes]] = ()
) -> Shot:
    """A read."""
    return Shot(name, request(b"GET", target, headers=headers), refused)


def _body(**fields: object) -> bytes:
    return json.dumps({"profile": "query_tool", "container_ids": ["a"], **fields}).encode()


def _in_ids(raw: bytes) -> bytes:
    return b'{"profile":"query_tool","container_ids":[' + raw + b"]}"


def bad_json() -> Iterator[Shot]:
    """Bodies that are no JSON, or none in UTF-8."""
    bodies = [
        b"", b" ", b"{", b"}", b"[", b"nul", b"undefined", b"'a'", b"{'profile':'query_tool'}", VALID + b"x",
        VALID + VALID, VALID[:-1], VALID[:-1] + b",}", b"// c\n" + VALID, b"\x00" + VALID, VALID + b"\x00",
        b"\xff",
        b"\xff\xfe" + VALID.decode().encode("utf-16-le"), VALID.decode().encode("utf-16"),
        VALID.decode().encode("utf-32"),
        b"[" * 100_000, b'{"a":' * 100_000, b"[" * 5_000 + b"]" * 5_000,
        b'{"profile":"query_tool","container_ids":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"profile":"query_tool","container_ids":["a"],"params":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001,
        b'{"profile":"query_tool","container_ids":["a"],"lineage":' + b'{"a":' * 50_000,
    ]  # fmt: skip
    inside = [
        b'"\xff\xfe"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe8\xa8"', b'"\\ud800"',
        b'"\\udfff"',
        b'"\\udc00\\ud800"', b'"a\\ud800b"', b'"\\u12"', b'"\\x41"', b'"a\x00b"', b'"a\x1fb"', b'"a\nb"',
        b'"a',
        b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-", b"01", b"+1", b"0x10", b"1" * 5_000,
        b"1" + b"0" * TEN_MB,
        b"1." + b"1" * 100_000, b"1e" + b"9" * 1_000, b",", b'"a",', b'"a" "b"',
    ]  # fmt: skip
    for number, body in enumerate([*bodies, *map(_in_ids, inside)]):
        yield post(f"bad JSON {number}", body)
    yield post("lone surrogate as a key", VALID[:-1] + b',"\\ud800":1}')
    yield post("lone surrogate as a profile", b'{"profile":"\\ud800","container_ids":["a"]}')
    yield post("lone surrogate as a domain", VALID[:-1] + b',"domains":["\\udbff"]}')


def bad_fields() -> Iterator[Shot]:
    """Good JSON that is no question."""
    wrong: dict[str, list[Any]] = {
        "profile": [None, 0, 1.5, True, [], {}, "", " ", "nope", "QUERY_TOOL", "query_tool\u0000",
        "x" * TEN_MB],
        "container_ids": [
            None, 0, True, "", "a", {}, {"a": 1}, [], [""], [" ", "\t"], [None], [0], [1.5], [True], [[]],
            [["a"]],
            [{}], ["a", None], ["a", 10**30], ["x" * 65], ["字" * 65], ["x" * TEN_MB], ["a\u0000b"],
            ["a\u0007b"],
            ["a\u001bb"], ["a\u007fb"], ["a\u0085b"], ["a\nb"], list(range(2_000)),
        ],
        "domains": [
            "", "history", 0, {}, True, [None], [0], ["nope"], ["history", "nope"], [["history"]],
            ["history "],
            ["HISTORY"], ["history:0"], ["../history"], ["x" * TEN_MB], ["nope"] * 10_000,
        ],
        "params": [0, "", "x", [], True, {"direction": "forward"}, {"x" * 100_000: 1}],
        "seed_container_ids": [0, "a", {}, [0], [None], ["x" * 65], ["a\u0000b"]],
        "lineage": [0, "a", [], True, {"nope": {}}, {"ancestors": []}, {"ancestors": {"a": "b"}},
        {"seed_roots": 1}],
        "seeds": [0, "a", [], True, {}, {"resolve_type": "nope", "values": ["a"]}, {"resolve_type": "lot_id",
        "values": []}],
        "surprise": [None, 1],
        "__class__": [1],
        "x" * 1_000_000: [1],
    }  # fmt: skip
    for field, values in wrong.items():
        for number, value in enumerate(values):
            yield post(f"{field[:30]} {number}", _body(**{field: value}))
    for number, params in enumerate([
        {"direction": "sideways"}, {"direction": None}, {"mode": 1}, {"nope": 1}, {"start_date": "yesterday"},
        {"start_date": "2026-13-45"}, {"end_date": "9" * 1_000}, {"values": "x"}, {"loss_reasons": [1]},
        {"station": []},
    ]):  # fmt: skip
        yield post(f"params {number}", _body(profile="mid_section_defect", params=params))
    for number, body in enumerate([b"null", b"[]", b"{}", b"0", b'""', b"true", b"[" + VALID + b"]"]):
        yield post(f"no object {number}", body)


def bad_types() -> Iterator[Shot]:
    """A good body under a wrong name."""
    for number, value in enumerate([
        b"", b"text/plain", b"application/xml", b"multipart/form-data; boundary=a",
        b"application/x-www-form-urlencoded",
        b"json", b"/", b";", b"application/json/x", b"\xff\xfe", b"application/" + b"j" * 8_000,
    ]):  # fmt: skip
        yield Shot(
            f"type {number}", request(b"POST", EVENTS, VALID, [(b"Content-Type", value)]), refused=True
        )
    yield Shot("no type", request(b"POST", EVENTS, VALID), refused=True)
    yield Shot("no body", request(b"POST", EVENTS, headers=[JSON_TYPE]), refused=True)


def odd_headers() -> Iterator[Shot]:
    """Good questions with odd headers: any answer but a 5xx is right."""
    names: dict[bytes, list[bytes]] = {
        b"Accept": [
            b"", b",", b";;;", b"application/json;q=abc", b"q=1", b"*/*;q=1e309", b"*/*;q=-1", b"*/*;q=nan",
            b"\xff\xfe",
            b"application/json;q=0.5;q=0.1", b"application/json," * 2_000, b"a/b/c", b"*",
            b'application/json;x="', b"/",
        ],
        b"Accept-Encoding": [b"", b"zstd;q=0", b"zstd;q=abc", b"identity;q=0, *;q=0", b"\xff",
        b"zstd," * 2_000],
        b"Prefer": [b"", b"respond-async=1", b"wait=-1", b"respond-async;;;", b'respond-async="', b"\xff",
        b"x" * 8_000],
        b"Cache-Control": [b"", b"no-cache=", b",,,", b"\xff", b"max-age=-1"],
        b"Content-Encoding": [b"gzip", b"br", b"\xff"],
        b"Range": [b"bytes=0-1", b"bytes=-1", b"x"],
        b"If-None-Match": [b"*", b'W/"'],
        b"Cookie": [b"a=" + b"b" * 8_000],
        b"X-Forwarded-For": [b"' OR 1=1", b"127.0.0.1, \xff"],
        b"X-Request-Id": [b"\x01", b"a" * 8_000],
        b"Authorization": [b"Bearer", b"Bearer \xff", b"Basic !!!"],
    }  # fmt: skip
    for name, values in names.items():
        for number, value in enumerate(values):
            yield post(f"{name.decode()} {number}", VALID, refused=False, headers=[(name, value)])
    yield post("BOM", b"\xef\xbb\xbf" + VALID, refused=False)
    yield post("twice the same member", b'{"profile":"nope",' + VALID[1:], refused=False)
    for number, text in enumerate(SQL):
        yield post(f"hostile id {number}", _body(container_ids=[text]), refused=False)
        yield post(f"hostile ids {number}", _body(container_ids=["b", text]), refused=False)
    for number, charset in enumerate([b"utf-16", b"nope", b"\xff", b'"']):
        kind = (b"Content-Type", b"application/json; charset=" + charset)
        yield Shot(f"charset {number}", request(b"POST", EVENTS, VALID, [kind]), refused=False)


def bad_reads(job_id: str) -> Iterator[Shot]:
    """Reads of a job that has `history` alone, with impossible parameters, and of jobs that never were."""
    job = b"/api/trace/job/" + job_id.encode()
    page, stream = job + b"/result?domain=history&", job + b"/stream?"
    for value in (
        b"0",
        b"-1",
        b"50001",
        b"abc",
        b"",
        b"1.5",
        b"1e3",
        b"9" * 400,
        b"NaN",
        b"%00",
        b"0x10",
        b"--1",
        b"%ff",
    ):
        yield get(f"limit of a page {value[:9]!r}", page + b"limit=" + value)
    for value in (
        b"-1",
        b"abc",
        b"",
        b"1.5",
        b"1e3",
        b"9" * 5_000,
        b"NaN",
        b"%00",
        b"-9223372036854775809",
        b"%ff",
    ):
        yield get(f"offset {value[:9]!r}", page + b"offset=" + value)
    for value in (b"0", b"-1", b"101", b"abc", b"", b"1.5", b"9" * 400, b"%00"):
        yield get(f"limit of jobs {value[:9]!r}", b"/api/trace/jobs?limit=" + value)
    for value in (b"-1", b"31", b"abc", b"nan", b"inf", b"-inf", b"1e999", b"", b"9" * 400, b"%00"):
        yield get(f"wait {value[:9]!r}", job + b"?wait=" + value)
    for value in (
        b"history", b"history:", b":", b":0", b"history:-2", b"history:1.5", b"history:x", b"history:1e3",
        b"nope:0",
        b"history:0:0", b"history:99999999", b"history:" + b"9" * 4_500, b"history:%00", b"%00:0", b"%ff:0",
        b"0",
        b"history%3A%20x", b"x" * 8_000, b"rejects:-1",
    ):  # fmt: skip
        yield get(f"cursor {value[:20]!r}", stream + b"after=" + value)
    for value in (b"perhaps", b"2", b"", b"%00"):
        yield get(f"follow {value!r}", stream + b"follow=" + value)
    for value in (b"nope", b"", b"%00", b"history%00", b"HISTORY", b"*", b"%ff", b"history:0", b"x" * 8_000):
        yield get(f"domain of a stream {value[:12]!r}", stream + b"domain=" + value)
        yield get(f"domain of a page {value[:12]!r}", job + b"/result?domain=" + value)
    for value in (
        b"x", b"%00", b"%0a", b"%0d%0aX:%20y", b"%ff", b"%", b"%zz", b"*", b"trace-evt-*", b"{x}", b"..",
        b"%2e%2e", b"a:meta",
        b"trace-evt-%20", b"'%20OR%201=1", b"x" * 8_000, b"%e8%a8%ad", job_id.upper().encode(),
        job_id.encode() + b"%00",
        job_id.encode()[:-1], b"%F0%90%90%B7", b"[", b"a?b", b"a%2Fb",
    ):  # fmt: skip
        for rest in (b"", b"/stream", b"/result"):
            yield get(f"job {value[:12]!r}{rest.decode()}", b"/api/trace/job/" + value + rest)


def odd_reads(job_id: str) -> Iterator[Shot]:
    """Reads that may be answered or refused, but never with a 5xx."""
    job = b"/api/trace/job/" + job_id.encode()
    for number, query in enumerate([
        b"?", b"?&&&=", b"?%", b"?=", b"?limit", b"?a=" + b"b" * 20_000, b"?" + b"a=1&" * 5_000, b"?%00=%00",
        b"?\xff=\xff",
        b"?limit=1&limit=2", b"?limit=%EF%BC%95", b"?limit=+5", b"?limit=5%20", b"?limit=5;limit=6",
        b"?limit[]=5", b"#x",
    ]):  # fmt: skip
        yield get(f"query {number}", b"/api/trace/jobs" + query, refused=False)
    for value in (
        b"0",
        b"9223372036854775807",
        b"9223372036854775808",
        b"9" * 30,
        b"00000000000",
        b"%EF%BC%95",
        b"1_0",
    ):
        yield get(
            f"far offset {value[:12]!r}", job + b"/result?domain=history&offset=" + value, refused=False
        )
    for method in (b"TRACE", b"CONNECT", b"PATCH", b"OPTIONS", b"HEAD", b"PROPFIND", b"FOO", b"get"):
        for target in (EVENTS, job, b"/livez"):
            yield Shot(f"{method.decode()} {target[:20].decode()}", request(method, target), refused=False)
    for number, target in enumerate(
        [b"*", b"//", b"/%2e%2e/%2e%2e/etc/passwd", b"/api/trace/../../x", b"http://x/livez", b"/\xff"]
    ):
        yield get(f"target {number}", target, refused=False)
    yield Shot("GET with a body", request(b"GET", job, b"x" * 1_000), refused=False)
    yield Shot(
        "a hundred headers",
        request(b"GET", job, headers=[(b"X-%d" % at, b"y") for at in range(100)]),
        refused=False,
    )


def mutations(seed: int, count: int) -> Iterator[Shot]:
    """A good question with bytes changed, dropped, doubled or put in."""
    chance = random.Random(seed)
    seedling = json.dumps({
        "profile": "query_tool", "container_ids": ["48810380001cba48", "設備", "b"], "domains": ["history",
        "jobs"],
        "params": {}, "seed_container_ids": [], "lineage": {"ancestors": {}, "children_map": {},
        "seed_roots": {}},
    }, ensure_ascii=False).encode()  # fmt: skip
    for number in range(count):
        body = bytearray(seedling)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(body))
            match chance.randrange(4):
                case 0:
                    body[at] = chance.randrange(256)
                case 1:
                    del body[at : at + chance.randint(1, 9)]
                case 2:
                    body[at:at] = body[at : at + chance.randint(1, 40)]
                case _:
                    body[at:at] = chance.choice(
                        [b'"', b"\\", b"\x00", b"{", b"]", b"\\ud800", b"\xff", b"null", b"-1e9"]
                    )
        yield post(f"mutation {seed}.{number}", bytes(body), refused=False)
