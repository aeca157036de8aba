"""The command line with copies in batches of a few records, so that a small log has many: `python -m …`."""

from __future__ import annotations

from daemon import copying
from daemon.cli.main import main

if __name__ == "__main__":
    copying.MOST_RECORDS = 10  # type: ignore[misc]
    main()
