"""Dependencies point one way, so that a stranger can read a folder without the ones above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BELOW = {
    "events": ["daemon", "ops", "tests"],
    "daemon/dspace": ["daemon.source", "daemon.target", "daemon.cli", "daemon.pipeline", "daemon.sample"],
    "daemon/source": ["daemon.target", "daemon.cli", "daemon.pipeline", "daemon.replayer", "daemon.sample"],
    "daemon/target": ["daemon.source", "daemon.cli", "daemon.pipeline", "daemon.replayer", "daemon.sample"],
    "daemon/losses": ["daemon.source", "daemon.target", "daemon.cli", "daemon.pipeline", "daemon.export"],
    "daemon/export": ["daemon.source", "daemon.target", "daemon.cli", "daemon.pipeline", "daemon.importing"],
    "daemon/index": ["daemon.source", "daemon.cli", "daemon.pipeline"],
    "daemon/importing": ["daemon.source", "daemon.cli", "daemon.pipeline"],
    "daemon/sample": ["daemon.source", "daemon.target", "daemon.cli", "daemon.verify", "events"],
    "daemon": ["ops", "tests"],
}
"""A folder, and what nothing in it may import."""


def imported(path: Path, *, typing: bool = True) -> Iterator[str]:
    """The modules that a file imports, anywhere in it; without `typing` not those of which only types are taken."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if not typing else ():
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("folder", BELOW)
def test_no_folder_imports_what_stands_above_it(folder: str) -> None:
    """cli -> run loop -> source, target -> events; and the sample shares no code with what it is there to test."""
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in (ROOT / folder).rglob("*.py")
        for module in imported(path)
        for above in BELOW[folder]
        if module == above or module.startswith(f"{above}.")
    }
    assert not wrong
    assert any((ROOT / folder).rglob("*.py"))


def test_the_parts_of_the_log_import_one_another_one_way() -> None:
    """The port knows no back end, and no back end the opener: no module comes to itself by what it imports."""
    modules = {}
    for path in (ROOT / "events" / "log").glob("*.py"):
        name = "events.log" if path.stem == "__init__" else f"events.log.{path.stem}"
        modules[name] = set(imported(path, typing=False))
    order = TopologicalSorter({name: found & modules.keys() - {name} for name, found in modules.items()})
    assert list(order.static_order())
