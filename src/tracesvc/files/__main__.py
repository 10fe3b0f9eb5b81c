"""The process that writes a file: an order and lines on standard input, the file on standard output.

Exit code 0: the file is whole. 2: it cannot be, and standard error says why. 3: the lines were cut.
4: whoever read the file has left.
"""

from __future__ import annotations

import errno
import os
import sys
import zipfile
from typing import IO, Final

from tracesvc.files.feed import UNREAD, Feed, FeedCut
from tracesvc.files.formats import write_domain
from tracesvc.files.order import FileOrder
from tracesvc.files.workbook import TooManyRecords, write_workbook

REFUSED: Final = 2
CUT: Final = 3
_PACKED_ALREADY: Final = frozenset({"parquet", "arrow"})


def write_file(feed: Feed, sink: IO[bytes]) -> None:
    """Write what the feed orders. Raises `FeedCut`, `TooManyRecords`."""
    order = feed.order()
    if order.format == "xlsx":
        write_workbook(sink, order, ((domain, feed.rows()) for domain in order.domains))
    elif order.zipped:
        _write_zip(feed, order, sink)
    else:
        for domain in order.domains:
            write_domain(sink, order, domain, feed.rows())


def _write_zip(feed: Feed, order: FileOrder, sink: IO[bytes]) -> None:
    """A member a domain, each written as its lines come; the sink need not seek."""
    method = zipfile.ZIP_STORED if order.format in _PACKED_ALREADY else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(sink, "w", method, compresslevel=1) as archive:
        for domain in order.domains:
            with archive.open(order.member_name(domain), "w", force_zip64=True) as member:
                write_domain(member, order, domain, feed.rows())


def main() -> int:
    """Write one file; the exit code."""
    try:
        write_file(Feed(sys.stdin.buffer), sys.stdout.buffer)
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
