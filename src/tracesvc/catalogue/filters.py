"""Which index a statement hopes for: the columns by which it narrows a table down to what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlglot
from sqlglot import exp

FULL_SCAN: Final = "FULL SCAN"
"""What a statement's first comment says when no index serves it, and that is meant so (domain.md, 2)."""


def wanted_indexes(sql: str) -> set[tuple[str, frozenset[str]]]:
    """Tables that the statement narrows by a value of its binds, each with the columns that stand for it.

    An index that begins with any one of the columns serves. A column inside a function counts for nothing, as
    no plain index on it is used; a statement that declares a full scan wants none.
    """
    if FULL_SCAN in sql:
        return set()
    tree = sqlglot.parse_one(sql, read="oracle")
    return {wanted for select in tree.find_all(exp.Select) for wanted in _of_select(select)}


def _of_select(select: exp.Select) -> Iterator[tuple[str, frozenset[str]]]:
    where = select.args.get("where")
    if where is None:
        return
    narrowed: dict[str, set[str]] = {}
    for condition in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
        columns = _narrowed_by(condition.unnest()) if condition.find(exp.Placeholder) else set()
        if len(columns) == 1:
            (column,) = columns
            narrowed.setdefault(column.table, set()).add(column.name.upper())
    for table in _tables(select):
        if table.alias_or_name in narrowed:
            yield table.name.upper(), frozenset(narrowed[table.alias_or_name])


def _tables(select: exp.Select) -> Iterator[exp.Table]:
    for clause in (select.args.get("from_"), *select.args.get("joins", [])):
        if clause is not None and isinstance(clause.this, exp.Table):
            yield clause.this


def _narrowed_by(condition: exp.Expr) -> set[exp.Column]:
    """The plain columns that this condition compares with binds; none where one part of an OR has none."""
    if isinstance(condition, exp.Or):
        parts = [_narrowed_by(part.unnest()) for part in condition.flatten()]
        return set().union(*parts) if all(parts) else set()
    compared = isinstance(condition, exp.In | exp.Between | exp.EQ | exp.GT | exp.GTE | exp.LT | exp.LTE)
    if compared and isinstance(condition.this, exp.Column) and not condition.find(exp.Subquery):
        return {condition.this}
    return set()
