"""A `[dspace]` whose launcher writes down what it was asked, and then does what a test wants."""

from __future__ import annotations

from pathlib import Path

SCRIPT = """#!/bin/sh
# As DSpace's: the script is a shell script, and what it starts must end with it.
home=$(cd "$(dirname "$0")/.." && pwd)
printf '%s\\n' "$*" >> "$home/calls"
echo "The script has started"
if [ -f "$home/mishap" ]; then . "$home/mishap"; fi
echo "The script has completed"
"""


class Launcher:
    """`launcher.command` is the command line; `launcher.calls` what it was asked, without the name of the script."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "log").mkdir()
        self.command = folder / "bin" / "dspace"
        self.command.write_text(SCRIPT)
        self.command.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """What was asked, oldest first."""
        asked = (self.home / "calls").read_text().splitlines() if (self.home / "calls").exists() else []
        assert all(words.startswith("index-discovery") for words in asked), asked
        return [words.removeprefix("index-discovery").strip() for words in asked]

    def forget(self) -> None:
        """What was asked so far."""
        (self.home / "calls").unlink(missing_ok=True)

    def does(self, shell: str) -> None:
        """From now on, in every call: lines of sh. `$home` is the folder, `$*` what was asked."""
        (self.home / "mishap").write_text(shell + "\n")

    def is_well(self) -> None:
        """No mishap any more."""
        (self.home / "mishap").unlink(missing_ok=True)
