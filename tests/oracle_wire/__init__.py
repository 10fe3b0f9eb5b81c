"""A small server that speaks Oracle's network protocol, for the unmodified driver: a double of the database.

It behaves like 19c or, told so, like 23ai; runs the SQL on a DuckDB plant, translated by the embedded
source's own rules; fails when told to; and says what it saw. No part of the package.

Reading order: `primitives` (numbers, dates, text on the wire), `packets` (frames on a socket), `handshake`
(from CONNECT to a session), `requests` (what the client asks), `answers` (what it gets), `engine` (SQL),
`faults`, `session` (one connection), `server` (all of them, and the control port), `handle` (what a test
holds).
"""

from tests.oracle_wire.handle import OracleServer

__all__ = ["OracleServer"]
