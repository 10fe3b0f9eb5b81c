"""What goes wrong when a test says so, and what the server saw."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Fault:
    """`kind`: what happens to each `every`-th statement (of those that hold `text`), at most `times` times.

    error: ORA-`code` instead of the rest of its rows; drop: the connection is cut in the middle of an
    answer; stall: no answer until the client breaks the statement off (never, when `deaf`); each once the
    statement has given `after_rows` rows.
    """

    kind: str = ""
    code: int = 0
    every: int = 1
    times: int = 1_000_000
    after_rows: int = 0
    text: str = ""
    bind: str = ""  # only statements that bind this value
    deaf: bool = False


@dataclass
class Rules:
    """The faults in force; of the login, the listener, and statements."""

    refuse_login: int = 0
    refuse_connect: int = 0
    hang_connect: bool = False
    most_sessions: int = 0
    pause_seconds: float = 0.0  # before each answer with rows
    statements: list[Fault] = field(default_factory=list)

    @classmethod
    def made_of(cls, told: dict[str, Any]) -> Rules:
        known = {each.name for each in fields(cls)}
        assert told.keys() <= known, told
        given = dict(told)
        given["statements"] = [Fault(**one) for one in told.get("statements", [])]
        return cls(**given)


class Ledger:
    """What the sessions of a server did; shared by its threads."""

    def __init__(self) -> None:
        self.rules = Rules()
        self._lock = threading.Lock()
        self._matches: Counter[int] = Counter()
        self._done: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()
        self.events: deque[tuple[float, str, str]] = deque(maxlen=2000)
        self.texts: Counter[str] = Counter()
        self.tags: deque[dict[str, str]] = deque(maxlen=200)
        self.sessions: set[int] = set()

    def set(self, rules: Rules) -> None:
        with self._lock:
            self.rules = rules
            self._matches.clear()
            self._done.clear()

    def note(self, event: str, detail: str = "") -> None:
        with self._lock:
            self.counts[event] += 1
            self.events.append((time.monotonic(), event, detail))

    def statement(self, sql: str) -> None:
        with self._lock:
            self.counts["statement"] += 1
            self.texts[sql] += 1

    def fault(self, sql: str, binds: Collection[object]) -> Fault | None:
        """The fault of the statement that begins now."""
        with self._lock:
            for place, fault in enumerate(self.rules.statements):
                if fault.text not in sql or (fault.bind and fault.bind not in binds):
                    continue
                self._matches[place] += 1
                if self._matches[place] % fault.every == 0 and self._done[place] < fault.times:
                    self._done[place] += 1
                    self.counts[f"fault:{fault.kind}"] += 1
                    return fault
        return None

    def enter(self, session: int) -> bool:
        """Whether one more session has room."""
        with self._lock:
            if self.rules.most_sessions and len(self.sessions) >= self.rules.most_sessions:
                return False
            self.sessions.add(session)
            return True

    def leave(self, session: int) -> None:
        with self._lock:
            self.sessions.discard(session)

    def report(self) -> dict[str, Any]:
        with self._lock:
            return {
                "counts": dict(self.counts),
                "events": list(self.events),
                "texts": dict(self.texts),
                "tags": list(self.tags),
                "sessions": len(self.sessions),
            }
