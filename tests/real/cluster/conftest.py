"""Three brokers and what dies of them. It takes many minutes on a busy machine, so it runs where it is asked for
(`make test-cluster`), and then nothing of it is left out.
"""

from __future__ import annotations

import os

from tests.chaos.conftest import begun, small

__all__ = ["begun", "small"]

collect_ignore_glob = [] if os.environ.get("CLUSTER") else ["test_*.py"]
