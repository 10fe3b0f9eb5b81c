"""The rules that make Oracle's meaning of a statement DuckDB's, where sqlglot's own translation differs.

Each rule is one method named for what it rewrites; `tests/unit/catalogue/test_dialect.py` runs each of
them on DuckDB against the value that Oracle documents.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Final

import sqlglot
from sqlglot import exp

from tracesvc.catalogue.dates import Dates

SYSDATE_BIND: Final = "sysdate"
"""Bind that stands for SYSDATE: the plant's clock now, naive, which the source gives."""

_NUMBER: Final = "DECIMAL(38, 10)"
_TRUNC_UNITS: Final = {
    "DD": "day",
    "DDD": "day",
    "MM": "month",
    "MONTH": "month",
    "YYYY": "year",
    "YEAR": "year",
}
_FORMATS: Final = {
    "YYYY": "%Y", "HH24": "%H", "MM": "%m", "DD": "%d", "MI": "%M", "SS": "%S",
    "-": "-", "/": "/", ":": ":", ".": ".", ",": ",", " ": " ",
}  # fmt: skip
_INT64_DIGITS: Final = 18
_SECONDS_PER_DAY: Final = 86400
_MICROSECONDS_PER_DAY: Final = 86_400_000_000

Refusal = Callable[[str, int], Exception]


def line_of(node: exp.Expr) -> int:
    """Line of a node in the text it was parsed from, counted from 1: that of the first name it holds."""
    for part in node.walk():
        if "line" in part.meta:
            return int(part.meta["line"])
    return line_of(node.parent) if node.parent is not None else 1


def _from_table(column: exp.Column) -> bool:
    """Whether a column is a table's own, not one that a WITH or a subquery made."""
    query = column.parent_select
    if query is None or not isinstance(query, exp.Select):
        return False
    sources = [
        part.this for part in (query.args.get("from_"), *query.args.get("joins", ())) if part is not None
    ]
    if column.table:
        sources = [source for source in sources if source.alias_or_name.upper() == column.table.upper()]
    named = {cte.alias.upper() for cte in query.root().find_all(exp.CTE)}
    return len(sources) == 1 and isinstance(sources[0], exp.Table) and sources[0].name.upper() not in named


@cache
def _parsed(template: str) -> exp.Expr:
    return sqlglot.parse_one(template, read="duckdb")


def _template(text: str, **parts: exp.Expr) -> exp.Expr:
    """DuckDB's `text` with `:name` replaced by expressions, in parentheses so that nothing binds tighter."""
    return exp.replace_placeholders(
        _parsed(text).copy(), **{name: exp.Paren(this=part.copy()) for name, part in parts.items()}
    )


class Rewriter:
    """Rewrites one parsed statement, bottom up."""

    def __init__(
        self, date_columns: Collection[str], date_binds: Collection[str], refusal: Refusal, *, clean: bool
    ) -> None:
        """`refusal` makes the error for what cannot be rewritten, from a text and a line.

        `clean`: the tables hold text without blanks at its ends and no empty text.
        """
        self._clean = clean
        self._dates = Dates(date_columns, {*date_binds, SYSDATE_BIND})
        self._refusal = refusal
        self._rules: dict[type[exp.Expr], Callable[..., exp.Expr]] = {
            exp.Literal: self._empty_text, exp.Trim: self._trim, exp.Substring: self._substring,
            exp.DPipe: self._concat, exp.Sub: self._difference, exp.Add: self._date_plus,
            exp.Anonymous: self._truncate, exp.DateTrunc: self._truncate_to, exp.Cast: self._cast,
            exp.DateStrToDate: self._date_literal, exp.CurrentTimestamp: self._sysdate,
            exp.ToChar: self._to_char,
            exp.ToNumber: self._to_number, exp.Window: self._keep, exp.In: self._in_list,
            exp.Identifier: self._identifier,
        }  # fmt: skip

    def rewrite(self, tree: exp.Query) -> exp.Query:
        """The tree in DuckDB's meaning; the one given is consumed."""
        self._dates.learn(tree)
        self._recursive_with(tree)
        for query in tree.find_all(exp.Select):
            query.set("hint", None)  # for Oracle's optimizer; no result depends on it
        for node in reversed(list(tree.walk(bfs=False))):
            new = self._rewrite_node(node)
            if new is not node:
                node.replace(new)
        return tree

    def _rewrite_node(self, node: exp.Expr) -> exp.Expr:
        rule = self._rules.get(type(node))
        return rule(node) if rule else node

    def _recursive_with(self, tree: exp.Query) -> None:
        """Oracle needs no RECURSIVE: a WITH that reads itself is one."""
        for clause in tree.find_all(exp.With):
            for cte in clause.expressions:
                if any(table.name.upper() == cte.alias.upper() for table in cte.this.find_all(exp.Table)):
                    clause.set("recursive", True)

    def _empty_text(self, node: exp.Literal) -> exp.Expr:
        """'' is NULL."""
        return exp.null() if node.is_string and node.this == "" else node

    def _trim(self, node: exp.Trim) -> exp.Expr:
        """TRIM takes blanks only (DuckDB's takes every kind of space), and what is left empty is NULL.

        Trimming costs DuckDB 0.5 µs a value, as much as all else in a statement: clean text stays.
        """
        if node.args.get("position") or node.expression:
            raise self._refusal(
                "TRIM with BOTH, LEADING, TRAILING or FROM is not in the subset", line_of(node)
            )
        if self._clean and isinstance(node.this, exp.Column) and _from_table(node.this):
            return node.this
        return _template("NULLIF(TRIM(:x, ' '), '')", x=node.this)

    def _substring(self, node: exp.Substring) -> exp.Expr:
        """SUBSTR starts at 1 when told 0, and an empty result is NULL."""
        start = node.args["start"]
        if isinstance(start, exp.Literal) and start.this == "0":
            node.set("start", exp.Literal.number(1))
        return exp.Nullif(this=node.copy(), expression=exp.Literal.string(""))

    def _concat(self, node: exp.DPipe) -> exp.Expr:
        """A NULL adds nothing to a concatenation; nothing at all is NULL."""
        return _template("NULLIF(CONCAT(:a, :b), '')", a=node.this, b=node.expression)

    def _difference(self, node: exp.Sub) -> exp.Expr:
        """A date - date is a number of days; date - number is a date."""
        if not self._dates.holds(node.this):
            return node
        if self._dates.holds(node.expression):
            micros = "EPOCH_US(CAST(:a AS TIMESTAMP)) - EPOCH_US(CAST(:b AS TIMESTAMP))"
            return _template(f"(({micros}) / {_MICROSECONDS_PER_DAY})", a=node.this, b=node.expression)
        return self._shifted(node.this, exp.Neg(this=exp.Paren(this=node.expression.copy())))

    def _date_plus(self, node: exp.Add) -> exp.Expr:
        """A date + number adds days, to the second."""
        if self._dates.holds(node.this):
            return self._shifted(node.this, node.expression)
        return self._shifted(node.expression, node.this) if self._dates.holds(node.expression) else node

    def _shifted(self, date: exp.Expr, days: exp.Expr) -> exp.Expr:
        text = f"(CAST(:d AS TIMESTAMP) + TO_SECONDS(CAST(ROUND(:n * {_SECONDS_PER_DAY}) AS BIGINT)))"
        return _template(text, d=date, n=days)

    def _truncate(self, node: exp.Anonymous) -> exp.Expr:
        """TRUNC(date) is midnight, still a DATE with a time; TRUNC(number) drops the fraction."""
        if len(node.expressions) != 1:
            raise self._refusal("TRUNC with more than a date or a number is not in the subset", line_of(node))
        if self._dates.holds(node.expressions[0]):
            return self._midnight(node.expressions[0], "day")
        return node

    def _truncate_to(self, node: exp.DateTrunc) -> exp.Expr:
        """TRUNC(date, unit)."""
        unit = _TRUNC_UNITS.get(node.args["unit"].name.upper())
        if unit is None or not self._dates.holds(node.this):
            raise self._refusal(
                f"TRUNC takes a date and one of {', '.join(_TRUNC_UNITS)} here", line_of(node)
            )
        return self._midnight(node.this, unit)

    def _midnight(self, date: exp.Expr, unit: str) -> exp.Expr:
        return _template(f"CAST(DATE_TRUNC('{unit}', CAST(:d AS TIMESTAMP)) AS TIMESTAMP)", d=date)

    def _cast(self, node: exp.Cast) -> exp.Expr:
        """A DATE keeps its time, to the second; a NUMBER without precision keeps its fraction."""
        match node.to.this:
            case exp.DataType.Type.DATE:
                return _template("DATE_TRUNC('second', CAST(:d AS TIMESTAMP))", d=node.this)
            case exp.DataType.Type.DECIMAL if not node.to.expressions:
                return _template(f"CAST(:n AS {_NUMBER})", n=node.this)
            case exp.DataType.Type.DECIMAL:
                return self._whole(node)
        raise self._refusal(
            f"CAST goes to DATE or NUMBER here, not to {node.to.sql('oracle')}", line_of(node)
        )

    def _whole(self, node: exp.Cast) -> exp.Expr:
        """NUMBER(1..18) is an int64, as Oracle's driver gives it."""
        precision, scale = [*(int(part.name) for part in node.to.expressions), 0][:2]
        if scale == 0 and precision <= _INT64_DIGITS:
            return _template("CAST(:n AS BIGINT)", n=node.this)
        return node

    def _date_literal(self, node: exp.DateStrToDate) -> exp.Expr:
        """DATE 'YYYY-MM-DD' is midnight."""
        return _template("CAST(:d AS TIMESTAMP)", d=node.this)

    def _sysdate(self, node: exp.CurrentTimestamp) -> exp.Expr:
        """SYSDATE is the plant's clock (sqlglot would make it UTC); other clocks are refused."""
        if not node.args.get("sysdate"):
            raise self._refusal("of the clocks only SYSDATE is in the subset", line_of(node))
        return exp.Placeholder(this=SYSDATE_BIND)

    def _to_char(self, node: exp.ToChar) -> exp.Expr:
        """TO_CHAR(date, format), for formats of plain numbers and separators."""
        given = node.args.get("format")
        if not isinstance(given, exp.Literal) or not self._dates.holds(node.this):
            raise self._refusal("TO_CHAR takes a date and a literal format here", line_of(node))
        rest, pattern = given.this.upper(), ""
        while rest:
            token = next((token for token in _FORMATS if rest.startswith(token)), None)
            if token is None:
                raise self._refusal(
                    f"TO_CHAR knows no {rest!r} here, only {' '.join(_FORMATS)}", line_of(node)
                )
            pattern, rest = pattern + _FORMATS[token], rest[len(token) :]
        return _template(f"STRFTIME(CAST(:d AS TIMESTAMP), '{pattern}')", d=node.this)

    def _to_number(self, node: exp.ToNumber) -> exp.Expr:
        """TO_NUMBER is exact (sqlglot would make it a double)."""
        if any(value for name, value in node.args.items() if name != "this"):
            raise self._refusal(
                "TO_NUMBER takes one argument here: guard it by CASE and REGEXP_LIKE", line_of(node)
            )
        return _template(f"CAST(:n AS {_NUMBER})", n=node.this)

    def _keep(self, node: exp.Window) -> exp.Expr:
        """MIN or MAX(x) KEEP (DENSE_RANK FIRST or LAST ORDER BY k): the first x of the group, so ordered."""
        if node.args.get("over") != "KEEP":
            return node
        aggregate, first = node.this, bool(node.args.get("first"))
        if not isinstance(aggregate, exp.Min | exp.Max) or isinstance(node.parent, exp.Window):
            raise self._refusal("KEEP goes with MIN or MAX, and without OVER, here", line_of(node))
        keys = []
        for key in node.args["order"].expressions:
            descending, nulls_first = bool(key.args.get("desc")), bool(key.args.get("nulls_first"))
            keys.append((key.this, descending == first, nulls_first == first))
        if all(key != aggregate.this for key, _, _ in keys):
            keys.append((aggregate.this, isinstance(aggregate, exp.Max), False))
        ordered = [exp.Ordered(this=k.copy(), desc=d, nulls_first=n) for k, d, n in keys]
        return exp.First(this=exp.Order(this=aggregate.this.copy(), expressions=ordered))

    def _in_list(self, node: exp.In) -> exp.Expr:
        """IN (:ids) stands for a list: 1000 ids are one parameter, joined, not 1000 comparisons.

        Its bounds let a scan leave out the row groups that hold none of them: 21 ms a statement instead of
        63 where the ids lie close together.
        """
        match node.expressions:
            case [exp.Placeholder() as bind]:
                query = sqlglot.parse_one(f"SELECT UNNEST(${bind.name})", read="duckdb")
                listed = exp.In(this=node.this.copy(), query=exp.Subquery(this=query))
                low, high = (
                    sqlglot.parse_one(f"LIST_{bound}(${bind.name})", read="duckdb")
                    for bound in ("MIN", "MAX")
                )
                near = exp.Between(this=node.this.copy(), low=low, high=high)
                return exp.Paren(this=exp.And(this=near, expression=listed))
        return node

    def _identifier(self, node: exp.Identifier) -> exp.Expr:
        """Names without quotes are upper case."""
        if not node.quoted:
            node.set("this", node.name.upper())
        return node
