"""What the pages show is true: lines are lines of the protocol, names exist, examples work."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click import Command
from pydantic import BaseModel

from tracesvc import errors
from tracesvc.catalogue import load_catalogue
from tracesvc.cli import cli
from tracesvc.lines import LINE, CompleteLine, DomainEndLine, Line, RecordsLine
from tracesvc.query import parse_query
from tracesvc.routes import schemas
from tracesvc.settings import Settings

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME: Final = re.compile(r"\b(?:TRACE|EVENT_FETCHER|DB_SLOW)_[A-Z_]+\b")
COMMAND: Final = re.compile(r"`tracesvc ([a-z-]+)[^`]*`")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[str]:
    return [body for found, body in BLOCK.findall(text) if found == kind]


def streams() -> Iterator[tuple[str, list[str]]]:
    for path in PAGES:
        for body in blocks(path.read_text(encoding="utf-8"), "ndjson"):
            yield path.name, body.splitlines()


def whole_streams() -> list[list[str]]:
    return [lines for _, lines in streams() if json.loads(lines[0])["type"] == "meta"]


def test_every_line_that_is_shown_is_a_line_of_the_protocol() -> None:
    seen = {LINE.validate_json(line, strict=True).type for _, lines in streams() for line in lines}
    assert {"meta", "domain_start", "records", "domain_end", "progress", "complete"} <= seen


def test_every_stream_that_is_shown_adds_up_and_fits_its_digests() -> None:
    assert len(whole_streams()) == 2
    for lines in whole_streams():
        parsed: list[Line] = [LINE.validate_json(line) for line in lines]
        last = parsed[-1]
        assert isinstance(last, CompleteLine)
        ends = [line for line in parsed if isinstance(line, DomainEndLine)]
        assert last.domains == {end.domain: end.count for end in ends}
        for end in ends:
            sent = [
                (text, line)
                for text, line in zip(lines, parsed, strict=True)
                if isinstance(line, RecordsLine) and line.domain == end.domain
            ]
            assert sum(len(line.data) for _, line in sent) == end.count
            digests = b"".join(hashlib.sha256(text.encode()).digest() for text, _ in sent)
            assert hashlib.sha256(digests).hexdigest() == end.digest


def test_the_digest_in_the_contract_is_the_one_in_the_lines() -> None:
    (program,) = blocks(page("docs/protocol.md"), "python")
    scope: dict[str, Any] = {}
    exec(program, scope)
    lines = [line.encode() for line in whole_streams()[0] if json.loads(line)["type"] == "records"]
    (end,) = [json.loads(line) for line in whole_streams()[0] if '"domain_end"' in line]
    assert scope["digest"](lines) == end["digest"]


def test_records_that_are_shown_have_the_catalogues_columns_in_its_order() -> None:
    domains = load_catalogue().domains
    for _, lines in streams():
        for found in map(json.loads, lines):
            if found["type"] == "domain_start":
                columns = domains[found["domain"]].columns
                assert found["columns"] == [{"name": c.name, "type": c.type} for c in columns]
            elif found["type"] == "records":
                names = [column.name for column in domains[found["domain"]].columns]
                assert all(list(record) == names for record in found["data"])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_json_example_is_json(path: Path) -> None:
    for body in blocks(path.read_text(encoding="utf-8"), "json"):
        json.loads(body)


def test_the_answers_in_the_contract_fit_their_models() -> None:
    models: tuple[type[BaseModel], ...] = (
        schemas.Accepted,
        schemas.Page,
        schemas.WholeResult,
        schemas.JobDocument,
        schemas.Problem,
    )
    examples = [json.loads(body) for body in blocks(page("docs/protocol.md"), "json")]
    question, *answers = examples
    assert len(answers) == len(models)
    for model, answer in zip(models, answers, strict=True):
        model.model_validate(answer)
    catalogue = load_catalogue()
    query = parse_query(
        json.dumps(question).encode(),
        profiles=catalogue.profiles,
        domains=catalogue.domains,
        defaults=catalogue.domains_of,
    )
    assert list(query.domain_names) == question["domains"]


def test_every_setting_and_command_that_is_named_exists() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert set(NAME.findall(text)) <= settings, path.name
        assert set(COMMAND.findall(text)) <= set(cli.commands), path.name


def shell_lines() -> Iterator[list[str]]:
    for path in PAGES:
        for body in blocks(path.read_text(encoding="utf-8"), "sh"):
            yield from (shlex.split(line, comments=True) for line in body.replace("\\\n", "").splitlines())


def test_every_command_line_that_is_shown_is_taken_as_it_stands() -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    seen = 0
    for line in shell_lines():
        words = [word for word in line if not NAME.match(word)]  # settings stand in front
        if words[:1] == ["make"]:
            assert words[1] in targets
        if words[:1] == ["tracesvc"]:
            seen += 1
            command: Command = cli.commands[words[1]]
            command.make_context(words[1], words[2:])
    assert seen > 3


def test_the_question_in_the_readme_is_one() -> None:
    (curl,) = [words for words in shell_lines() if words[:1] == ["curl"]]
    assert json.loads(curl[curl.index("-d") + 1])["domains"] == ["materials"]


def tree(kind: type[errors.TraceError]) -> Iterator[type[errors.TraceError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_every_code_is_in_the_contract_with_its_status_and_has_advice() -> None:
    contract = page("docs/protocol.md")
    advice = page("docs/operations.md").partition("## What to do, by code")[2]
    for error in tree(errors.TraceError):
        assert f"`{error.code}`" in contract
        if error is not errors.WorkerLost:
            assert f"`{error.code}`" in advice
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", contract, re.MULTILINE)
    statuses = {code: int(status) for status, codes in rows for code in re.findall(r"\w+", codes)}
    known = {error.code: error.status for error in tree(errors.TraceError)}
    assert statuses.items() <= known.items()


def test_the_catalogue_in_the_guide_loads(tmp_path: Path) -> None:
    guide = page("docs/catalogue.md")
    (document,), (statement,) = blocks(guide, "yaml"), blocks(guide, "sql")
    (tmp_path / "sql").mkdir()
    (tmp_path / "catalogue.yaml").write_text(document, encoding="utf-8")
    (tmp_path / "sql" / "materials.sql").write_text(statement, encoding="utf-8")
    catalogue = load_catalogue(str(tmp_path / "catalogue.yaml"))
    assert list(catalogue.domains) == list(yaml.safe_load(document)["domains"])


def test_decisions_are_numbered_once_each_and_say_what_follows() -> None:
    paths = sorted(ROOT.glob("docs/adr/*.md"))
    numbers = [int(path.name.partition("-")[0]) for path in paths]
    assert len(set(numbers)) == len(paths)
    for number, path in zip(numbers, paths, strict=True):
        text = path.read_text(encoding="utf-8")
        assert path.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
