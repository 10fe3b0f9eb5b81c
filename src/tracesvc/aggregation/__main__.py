"""The process that answers questions about analyses, `python -m tracesvc.aggregation`: see `child`."""

from __future__ import annotations

from tracesvc.aggregation.child import main

if __name__ == "__main__":
    main()
