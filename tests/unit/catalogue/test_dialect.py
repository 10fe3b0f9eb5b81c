"""Each rewrite rule, run on DuckDB, against the value that Oracle documents."""

# ruff: noqa: DTZ001 - the plant's times have no zone

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from tracesvc.catalogue.dialect import SYSDATE_BIND, DialectError, to_duckdb

DATES = {"D1", "D2"}
AS_OF = datetime(2026, 1, 31, 12, 30)
TABLE = """CREATE TABLE T (K INTEGER, S VARCHAR, D1 TIMESTAMP, D2 TIMESTAMP, N DECIMAL(38, 10));
INSERT INTO T VALUES
    (1, '  abc  ', '2026-01-15 13:45:10', '2026-01-14 07:45:10', 1.5),
    (2, '   ', '2026-03-01 00:00:00', NULL, NULL),
    (3, NULL, '2025-12-31 23:59:59', '2026-01-01 00:00:00', -2.5)"""


def run(sql: str, **params: object) -> list[tuple[object, ...]]:
    translation = to_duckdb(sql, date_columns=DATES)
    with duckdb.connect() as con:
        con.execute(TABLE)
        given = {"as_of": AS_OF, SYSDATE_BIND: AS_OF, **params}
        bound = {name: given[name] for name in translation.binds}
        return con.execute(translation.sql, bound).fetchall()


def value(expression: str, key: int = 1, **params: object) -> object:
    [[found]] = run(f"SELECT {expression} AS X FROM T t WHERE t.K = {key}", **params)
    return found


@pytest.mark.parametrize(
    ("expression", "key", "wanted"),
    [
        ("TRIM(t.S)", 1, "abc"),
        ("TRIM(t.S)", 2, None),
        ("TRIM('\u3000x\u3000')", 1, "\u3000x\u3000"),
        ("NVL('', 'empty is null')", 1, "empty is null"),
        ("CASE WHEN TRIM(t.S) = '' THEN 'equal' ELSE 'not' END", 2, "not"),
        ("t.S || 'x'", 3, "x"),
        ("'' || ''", 1, None),
        ("SUBSTR('abc', 0, 2)", 1, "ab"),
        ("SUBSTR('abc', -2)", 1, "bc"),
        ("SUBSTR('abc', 9)", 1, None),
        ("INSTR('焊_DB', '_D')", 1, 2),
        ("NVL(t.S, 'none')", 3, "none"),
        ("DECODE(t.S, NULL, 'null', 'other')", 3, "null"),
        ("NVL2(t.S, 1, 2)", 3, 2),
        ("CASE WHEN REGEXP_LIKE('12', '^[0-9]+$') THEN 'yes' ELSE 'no' END", 1, "yes"),
    ],
)
def test_text_means_what_it_means_in_oracle(expression: str, key: int, wanted: object) -> None:
    assert value(expression, key) == wanted


@pytest.mark.parametrize(
    ("expression", "key", "wanted"),
    [
        ("t.D1 - t.D2", 1, 1.25),
        ("(t.D2 - t.D1) * 86400", 3, 1),
        ("ROUND((NVL(t.D2, :as_of) - t.D1) * 24, 1)", 2, round(-28.479166 * 24, 1)),
        ("t.D1 + 1", 1, datetime(2026, 1, 16, 13, 45, 10)),
        ("0.5 + t.D1", 1, datetime(2026, 1, 16, 1, 45, 10)),
        ("t.D1 - 1/24", 1, datetime(2026, 1, 15, 12, 45, 10)),
        ("TRUNC(t.D1)", 1, datetime(2026, 1, 15)),
        ("TRUNC(t.D1, 'MM')", 1, datetime(2026, 1, 1)),
        ("TRUNC(t.D1 + 30) - TRUNC(t.D1)", 1, 30),
        ("CAST(t.D1 AS DATE)", 1, datetime(2026, 1, 15, 13, 45, 10)),
        ("DATE '2026-02-01' - TRUNC(t.D1)", 1, 17),
        ("SYSDATE - :as_of", 1, 0),
        ("TRUNC(SYSDATE)", 1, datetime(2026, 1, 31)),
        ("TO_CHAR(t.D1, 'YYYY-MM-DD HH24:MI:SS')", 1, "2026-01-15 13:45:10"),
        ("TO_CHAR(t.D1, 'YYYYMM')", 1, "202601"),
    ],
)
def test_dates_mean_what_they_mean_in_oracle(expression: str, key: int, wanted: object) -> None:
    assert value(expression, key) == wanted


@pytest.mark.parametrize(
    ("expression", "key", "wanted"),
    [
        ("TRUNC(t.N)", 3, Decimal(-2)),
        ("ROUND(t.N)", 3, Decimal(-3)),
        ("TO_NUMBER('12345678901234567.25')", 1, Decimal("12345678901234567.25")),
        ("CAST(t.N AS NUMBER)", 1, Decimal("1.5")),
        ("CAST(t.N AS NUMBER(12, 2))", 1, Decimal("1.50")),
        ("CAST(t.N + 0.5 AS NUMBER(10))", 1, 2),
        ("7 / 2", 1, 3.5),
    ],
)
def test_numbers_mean_what_they_mean_in_oracle(expression: str, key: int, wanted: object) -> None:
    assert value(expression, key) == wanted


def test_nulls_are_last_and_first_when_descending() -> None:
    assert run("SELECT t.N AS N FROM T t ORDER BY t.N")[-1] == (None,)
    assert run("SELECT t.N AS N FROM T t ORDER BY t.N DESC")[0] == (None,)


@pytest.mark.parametrize(
    ("aggregate", "wanted"),
    [
        ("MIN(v.X) KEEP (DENSE_RANK FIRST ORDER BY v.G)", 10),
        ("MAX(v.X) KEEP (DENSE_RANK FIRST ORDER BY v.G)", 20),
        ("MIN(v.X) KEEP (DENSE_RANK LAST ORDER BY v.G)", 5),
        ("MAX(v.X) KEEP (DENSE_RANK LAST ORDER BY v.G NULLS FIRST)", 40),
        ("MAX(v.X) KEEP (DENSE_RANK FIRST ORDER BY v.G DESC NULLS LAST)", 40),
        ("MIN(v.X) KEEP (DENSE_RANK FIRST ORDER BY v.G DESC)", 5),
        ("MIN(v.X) KEEP (DENSE_RANK FIRST ORDER BY v.G, v.X DESC)", None),
    ],
)
def test_keep_takes_the_first_or_the_last_group(aggregate: str, wanted: int | None) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE V (G INTEGER, X INTEGER)")
        con.execute(
            "INSERT INTO V VALUES (1, 20), (1, 10), (1, NULL), (2, 30), (2, 40), (NULL, 5), (NULL, 7)"
        )
        sql = to_duckdb(f"SELECT {aggregate} AS X FROM V v", date_columns=()).sql
        assert con.execute(sql).fetchall() == [(wanted,)]


def test_a_with_that_reads_itself_is_recursive() -> None:
    sql = """WITH up (K, DEPTH) AS (
        SELECT t.K, 1 FROM T t WHERE t.K = 1 UNION ALL
        SELECT t.K, u.DEPTH + 1 FROM T t JOIN up u ON t.K = u.K + 1)
        SELECT u.K AS K, u.DEPTH AS DEPTH FROM up u ORDER BY 1"""
    assert run(sql) == [(1, 1), (2, 2), (3, 3)]


def test_a_bind_in_an_in_list_stands_for_the_whole_list() -> None:
    sql = "SELECT t.K AS K FROM T t WHERE t.K IN (:keys) ORDER BY 1"
    assert run(sql, keys=[3, 1]) == [(1,), (3,)]
    assert run(sql, keys=[]) == []


def test_fetch_first_and_listagg_are_right_as_they_are() -> None:
    assert run("SELECT t.K AS K FROM T t ORDER BY 1 FETCH FIRST 2 ROWS ONLY") == [(1,), (2,)]
    assert run("SELECT LISTAGG(t.K, ',') WITHIN GROUP (ORDER BY t.K DESC) AS L FROM T t") == [("3,2,1",)]


def test_a_hint_and_comments_change_nothing() -> None:
    assert run("-- one\nSELECT /*+ INDEX(t X) */ t.K AS K /* two */ FROM T t WHERE t.K = 1") == [(1,)]


def test_clean_tables_need_no_trim_but_what_a_statement_makes_does() -> None:
    sql = "SELECT TRIM(q.A) AS A, TRIM(q.B) AS B FROM (SELECT t.S || ' ' AS A, TRIM(t.S) AS B FROM T t) q"
    text = to_duckdb(sql, date_columns=(), clean=True).sql
    assert text.count("TRIM(") == 2
    assert "TRIM(T.S" not in text.replace("((", "(")


@pytest.mark.parametrize(
    ("sql", "line", "told"),
    [
        ("SELECT t.A AS A\nFROM T t\nSTART WITH t.A = 1 CONNECT BY NOCYCLE PRIOR t.A = t.B", 3, "CONNECT BY"),
        (
            "WITH r (A) AS (SELECT t.A FROM T t UNION ALL\n"  # noqa: ISC004 - one statement
            "SELECT t.A FROM T t JOIN r ON r.A = t.B)\nCYCLE A SET C TO 1 DEFAULT 0 SELECT r.A AS A FROM r",
            3,
            "CYCLE",
        ),
        ("SELECT t.A AS A\nFROM T t\nWHERE ROWNUM < 5", 3, "ROWNUM"),
        ("SELECT t.A AS A,\n SYSTIMESTAMP AS B FROM T t", 2, "SYSTIMESTAMP"),
        ("SELECT t.A AS A,\n FOO(t.B) AS B FROM T t", 2, "FOO"),
        ("SELECT t.A AS A FROM T t, U u\nWHERE t.A = u.A(+)", 2, "ANSI"),
        ("SELECT t.A AS A,\n TO_CHAR(t.D1, 'Q') AS B FROM T t", 2, "TO_CHAR"),
        ("SELECT t.A AS A,\n TO_CHAR(t.A) AS B FROM T t", 2, "TO_CHAR"),
        ("SELECT t.A AS A,\n CAST(t.A AS VARCHAR2(10)) AS B FROM T t", 2, "CAST"),
        ("SELECT t.A AS A,\n TRUNC(t.A, 2) AS B FROM T t", 2, "TRUNC"),
        ("SELECT t.A AS A FROM T t\nWHERE t.A = :1", 2, "near"),
        ("SELECT t.A AS A FROM T t WHERE\n t.A = = 2", 2, "near"),
        ("SELECT *\nFROM T t", 1, "list of columns"),
        ("SELECT t.A + 1\nFROM T t", 1, "needs a name"),
        ("DELETE FROM T", 1, "read-only"),
        ("SELECT t.A AS A FROM T t; SELECT t.B AS B FROM T t", 1, "one statement"),
        ("SELECT 'open AS A FROM T t", 1, "not closed"),
        ("SELECT t.A AS A,\n GREATEST(t.A, t.B) AS B FROM T t", 2, "GREATEST"),
    ],
)
def test_what_is_outside_the_subset_is_refused_with_its_line(sql: str, line: int, told: str) -> None:
    with pytest.raises(DialectError, match=told) as caught:
        to_duckdb(sql, date_columns=DATES)
    assert caught.value.line == line
