"""Which expressions of a statement are dates: arithmetic on them means something of its own in Oracle."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlglot import exp

_ALWAYS: Final = (exp.CurrentTimestamp, exp.DateStrToDate, exp.DateTrunc, exp.TimestampTrunc)
_PASSING_ON: Final = (
    exp.Min,
    exp.Max,
    exp.Coalesce,
    exp.Paren,
    exp.Alias,
    exp.Window,
    exp.Nullif,
    exp.First,
    exp.Order,
)
"""A date when their first operand is one."""
_TYPES: Final = frozenset(
    {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ}
)


class Dates:
    """Knows dates by name: declared columns, binds, and what a statement calls an expression of them."""

    def __init__(self, columns: Collection[str], binds: Collection[str]) -> None:
        self._names = {name.upper() for name in columns}
        self._binds = frozenset(binds)

    def learn(self, tree: exp.Query) -> None:
        """Take in the names that a statement gives to dates, through any depth of nesting."""
        aliases = list(tree.find_all(exp.Alias))
        while found := {alias.alias.upper() for alias in aliases if self.holds(alias.this)} - self._names:
            self._names |= found

    def holds(self, node: exp.Expr | None) -> bool:
        """Whether an expression is a date."""
        if isinstance(node, exp.Column):
            return node.name.upper() in self._names
        if isinstance(node, exp.Placeholder):
            return node.name in self._binds
        if isinstance(node, exp.Cast):
            return node.to.this in _TYPES
        if isinstance(node, exp.Add | exp.Sub):
            return self.holds(node.this) != self.holds(node.expression)
        return isinstance(node, _ALWAYS) or any(self.holds(part) for part in _passed_on(node))


def _passed_on(node: exp.Expr | None) -> list[exp.Expr | None]:
    """The operands that make an expression a date when they are one."""
    match node:
        case exp.Anonymous():
            return list(node.expressions)
        case exp.Case():
            return [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
    return [node.this] if isinstance(node, _PASSING_ON) else []
