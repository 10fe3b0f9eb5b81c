"""The process that writes a file: an order and lines on standard input, the file on standard output.

Exit code 0: the file is whole. 2: it cannot be, and standard error says why. 3: the lines were cut.
4: whoever read the file has left.
"""

from __future__ import annotations

import errno
import os
import sys
import zipfile
from collections.abc import Iterator
from typing import IO, Final

from tracesvc.files.feed import UNREAD, Feed, FeedCut, rows_in
from tracesvc.files.formats import write_domain
from tracesvc.files.order import FileOrder, TooManyRecords
from tracesvc.files.side_by_side import Team, helpers_here

REFUSED: Final = 2
CUT: Final = 3
_PACKED_ALREADY: Final = frozenset({"parquet", "arrow"})


def write_file(feed: Feed, sink: IO[bytes], team: Team) -> None:
    """Write what the feed orders. Raises `FeedCut`, `TooManyRecords`, `PieceNotMade`."""
    order = feed.order()
    if order.format == "xlsx":
        from tracesvc.files.workbook import write_workbook  # noqa: PLC0415 - 0.1 s that no other format needs

        write_workbook(sink, order, ((domain, _rows(feed)) for domain in order.domains))
    elif order.zipped:
        _write_zip(feed, order, sink, team)
    else:
        for domain in order.domains:
            write_domain(sink, order, domain, feed.lines(), team)


def _rows(feed: Feed) -> Iterator[bytes]:
    return (rows_in(line.payload) for line in feed.lines())


def _write_zip(feed: Feed, order: FileOrder, sink: IO[bytes], team: Team) -> None:
    """A member a domain, each written as its lines come; the sink need not seek."""
    method = zipfile.ZIP_STORED if order.format in _PACKED_ALREADY else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(sink, "w", method, compresslevel=1) as archive:
        for domain in order.domains:
            with archive.open(order.member_name(domain), "w", force_zip64=True) as member:
                write_domain(member, order, domain, feed.lines(), team)


def main() -> int:
    """Write one file; the exit code."""
    try:
        with Team(helpers_here()) as team:
            write_file(Feed(sys.stdin.buffer), sys.stdout.buffer, team)
        sys.stdout.buffer.flush()
    except TooManyRecords as error:
        sys.stderr.write(f"{error} has more records than a sheet of Excel's has rows\n")
        return REFUSED
    except FeedCut:
        return CUT
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        os._exit(UNREAD)  # the interpreter would try to flush once more
    return 0


if __name__ == "__main__":
    sys.exit(main())
