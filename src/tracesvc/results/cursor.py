"""A place in a stream: `{domain}:{batch}`, the last batch that a client holds (protocol.md, 2, rule 4)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Self

from tracesvc.errors import InvalidParams

_FORM: Final = re.compile(r"([a-z][a-z0-9_]{0,63}):(-1|0|[1-9][0-9]{0,9})")


class Cursor(NamedTuple):
    """After batch `batch` of `domain`; -1 is before its first."""

    domain: str
    batch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the query parameter `after`; raises `InvalidParams`."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise cursor_fault(
                "after must read {domain}:{batch}, for example history:41, or history:-1 for its start"
            )
        return cls(found[1], int(found[2]))

    def __str__(self) -> str:
        """As it stands in `after` and `resume_after`."""
        return f"{self.domain}:{self.batch}"


def cursor_fault(message: str) -> InvalidParams:
    """The 422 for a cursor that leads nowhere."""
    return InvalidParams(message, errors=[{"loc": ["query", "after"], "msg": message, "type": "cursor"}])
