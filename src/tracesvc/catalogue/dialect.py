"""From Oracle's SQL to DuckDB's: a listed subset is translated, everything else is refused.

sqlglot does the parsing and most of the translation; where it is wrong, or wrong in silence,
`rewrites` puts in rules of its own (architecture.md, Choices). The subset is a list of syntax nodes,
so that a construct nobody has thought of stops the start instead of changing a number.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, TokenError, UnsupportedError

from tracesvc.catalogue.rewrites import SYSDATE_BIND, Rewriter, line_of
from tracesvc.errors import CatalogueError

__all__ = ["SYSDATE_BIND", "DialectError", "Translation", "to_duckdb"]

_STRUCTURE: Final = (
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Fetch,
    exp.LimitOptions, exp.With, exp.CTE, exp.Subquery, exp.Union, exp.Table, exp.TableAlias, exp.Alias,
    exp.Column, exp.Identifier, exp.Star, exp.Hint, exp.Paren, exp.Tuple, exp.Exists, exp.Distinct,
)  # fmt: skip
_VALUES: Final = (
    exp.Literal, exp.Null, exp.Placeholder, exp.Cast, exp.DataType, exp.DataTypeParam, exp.DateStrToDate,
    exp.Var,
)  # fmt: skip
_OPERATORS: Final = (
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between,
    exp.Like, exp.Escape, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.DPipe, exp.Case, exp.If,
)  # fmt: skip
_FUNCTIONS: Final = (
    exp.Coalesce, exp.DecodeCase, exp.Nvl2, exp.Nullif, exp.Trim, exp.Upper, exp.Lower, exp.Substring,
    exp.StrPosition, exp.Length, exp.RegexpLike, exp.ToChar, exp.ToNumber, exp.Round, exp.Floor, exp.Ceil,
    exp.Abs, exp.Sign, exp.DateTrunc, exp.CurrentTimestamp, exp.Min, exp.Max, exp.Sum, exp.Count,
    exp.GroupConcat, exp.Window, exp.WindowSpec, exp.RowNumber, exp.Rank, exp.DenseRank,
)  # fmt: skip
_SUBSET: Final = frozenset(_STRUCTURE + _VALUES + _OPERATORS + _FUNCTIONS)
_NAMED_SUBSET: Final = frozenset({"TRUNC"})
"""Functions that sqlglot leaves without a node of their own."""
_PSEUDO_COLUMNS: Final = frozenset({"ROWNUM", "ROWID", "LEVEL", "CONNECT_BY_ISCYCLE", "CONNECT_BY_ISLEAF"})


class DialectError(CatalogueError):
    """The statement is outside the subset of Oracle's SQL that every source can run."""

    def __init__(self, detail: str, line: int) -> None:
        """`line` counts from 1, in the statement's own text."""
        super().__init__(detail)
        self.line = line


@dataclass(frozen=True)
class Translation:
    """A statement in DuckDB's dialect."""

    sql: str
    binds: frozenset[str]
    """Names of the binds it needs (`$name`); `SYSDATE_BIND` among them when it reads the clock."""
    columns: tuple[str, ...]
    """Names of its columns, in order, in upper case as Oracle gives them."""


def to_duckdb(
    sql: str, *, date_columns: Collection[str], date_binds: Collection[str] = ("as_of",), clean: bool = False
) -> Translation:
    """Translate one query.

    `clean` says that text columns of the tables have no blanks at their ends and no empty text, so that
    TRIM of a column is the column.

    `date_columns` and `date_binds` name what is a DATE: arithmetic on dates means something else
    in Oracle, and a statement does not say which columns are dates. Raises `DialectError`.
    """
    tree = _parse(sql)
    for node in tree.walk(prune=lambda node: isinstance(node, exp.Hint)):
        _check(node)
    names = tuple(_column_name(column) for column in tree.selects)
    tree = Rewriter(date_columns, date_binds, DialectError, clean=clean).rewrite(tree)
    binds = frozenset(node.name for node in tree.find_all(exp.Placeholder))
    try:
        text = tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE, comments=False)
    except UnsupportedError as error:
        raise DialectError(f"it cannot be translated: {error}", 1) from error
    return Translation(text, binds, names)


def _parse(sql: str) -> exp.Query:
    try:
        trees = sqlglot.parse(sql, read="oracle", error_level=ErrorLevel.IMMEDIATE)
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        what = found.get("description", "the statement cannot be parsed")
        raise DialectError(
            f"{what}, near {found.get('highlight', '')!r}", int(found.get("line", 1))
        ) from error
    except TokenError as error:
        raise DialectError("the statement cannot be read: a quote or a comment is not closed", 1) from error
    statements = [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(statements) != 1:
        raise DialectError(f"one statement is wanted, {len(statements)} were found", 1)
    (tree,) = statements
    if not isinstance(tree, exp.Query):
        raise DialectError("only a query (SELECT) may stand here: the warehouse is read-only", line_of(tree))
    return tree


def _check(node: exp.Expr) -> None:
    kind = type(node)
    if kind is exp.Anonymous and node.name.upper() in _NAMED_SUBSET:
        return
    if kind not in _SUBSET:
        what = node.name.upper() if kind is exp.Anonymous else node.sql(dialect="oracle")[:60]
        told = f"{what!r} ({kind.__name__}) is not in the subset that every source can run"
        raise DialectError(told, line_of(node))
    if kind is exp.Placeholder and not node.name.isidentifier():
        raise DialectError("a bind needs a name, as in :container_ids", line_of(node))
    if kind is exp.Column and (node.args.get("join_mark") or node.name.upper() in _PSEUDO_COLUMNS):
        what = node.sql(dialect="oracle")
        raise DialectError(
            f"{what!r} is not in the subset: write an ANSI join, or ROW_NUMBER()", line_of(node)
        )
    if kind is exp.Star and isinstance(node.parent, exp.Select):
        raise DialectError("a list of columns is wanted instead of *", line_of(node))


def _column_name(column: exp.Expr) -> str:
    name = column.alias_or_name
    if not name:
        raise DialectError(
            f"the column {column.sql(dialect='oracle')[:60]!r} needs a name: add AS", line_of(column)
        )
    return name.upper()
