"""Writes the pages of docs/ that are made from the code: `python -m ops.docs` (`--check`: only say which are stale).

Invariant: what these pages say stands in the code: options in the verbs, keys in the sections of the configuration,
codes in the error classes, what stays behind in the coverage. tests/docs fails when a page is not in step.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

import daemon
import events
from daemon.cli.main import aipstream
from daemon.config import SECTIONS, Config
from daemon.config_table import allowed
from daemon.dspace.coverage import ENTRIES, LEFT_OUT, Place
from daemon.losses.codes import CODES
from events.errors import AipstreamError

DOCS = Path(__file__).resolve().parent.parent / "docs"
MADE = "<!-- Made by `python -m ops.docs`; change the code instead. -->\n\n"
OTHER_CODES = {
    0: "Done. For `verify`: both ends are equal. For `run`: stopped by a signal, nothing left half done.",
    130: "",
    141: "The program that read our output closed it.",
}

ABOUT_VERBS = """
    Results go to standard output, everything else to standard error. Every reading verb has `--json`, with keys that
    stay; every writing verb has `--dry-run`. The exit codes are in [exit-codes.md](exit-codes.md).
"""
ABOUT_CONFIGURATION = """
    One TOML file: `aipstream.toml` in the working directory, `$AIPSTREAM_CONFIG`, or `--config FILE`. An unknown key is
    an error that names the one that may be meant. `aipstream config example` prints a file to begin with,
    `aipstream config show` what is in force and where each value comes from.

    Several targets: any number of tables `[targets.NAME]` with the keys of `[target]`, and `[targets.NAME.index]`
    with those of `[index]`, beside `[target]` or instead of it ([operations](operations.md#several-targets)).

    Every key can be given by an environment variable, which goes over the file: `AIPSTREAM_` + section + `_` + key,
    in capitals; for `[targets.off-site]` that is `AIPSTREAM_TARGETS_OFF_SITE_DSN`. Passwords are best left to libpq:
    `~/.pgpass`, `PGPASSFILE`, or a service file. In a URL they must be percent-encoded.
"""
ABOUT_ERRORS = """
    An error is a class with an exit code and a hint. On standard error: one line with what and where, and the hint
    below it. With `--json` the same as a document: `error`, `message`, `hint`, `exit_code`.
"""
ABOUT_WAITING = """
    A daemon (`aipstream run`) waits and tries again, with longer and longer pauses, on codes 6 and 7 and on
    `StorageUnusable` (a full disk); every other error ends it with its code. `run --until-current` ends on the first.
"""
ABOUT_COVERAGE = """
    Every column of DSpace 7.6, 8, 9 and 10 is in one list: content, derived (the target makes its own), or operational
    (it belongs to the installation). A test holds that list against the schemas of all four. Columns of a newer DSpace
    or of an extension are in neither list; `aipstream check` names them.
"""


ABOUT_LOSSES = """
    Nothing is lost in silence. A loss is found by comparing rows, what an object has with what arrives, and each kind
    of difference has a code. `aipstream check --losses` counts them in the real data before a run, `replay`,
    `run --until-current`, `import` and `export` tell of them afterwards, `aipstream losses` says what is recorded for
    the target so far. With `--strict` a loss ends with exit code 11; the work is done all the same.

    Driver `native` writes every row of the object into the target's database. It loses only what that database has no
    place for: security levels of values before DSpace 10, formats that are not registered there, a handle that is its
    own site's; and what the configuration does not capture (passwords, drafts).

    Stock DSpace's packager carries what its own AIPs have words for. That is what driver `packager`, and whoever
    restores an exported package, has to live with. Of communities, collections and items our packages keep everything
    beside the stock sections, where `aipstream import` finds it again and stock DSpace does not look. Of people and
    groups they have what the stock sections say, and nothing more: the log has the rest.

    What is said of stock DSpace was held against real ones, 7.6.6 and 8.2: every object of a repository with every kind
    of content, after a restore of our packages, and in packages that DSpace itself exported, row by row. In what other
    releases differ is taken from their sources: empty files are passed over from 7.6.7, 8.4, 9.3 and 10.0 on, and stop
    an export; 7.6.0 and 7.6.1 restore policies without a type. A version without its last number, which is all that a
    database tells, stands for the newest of its line. Two things depend on the target's settings and are supposed to be
    as shipped: no field is authority-controlled, and the text of the licence that is added is not known before.

    Codes that begin with `added` are what a restore puts there besides. Codes that end in `uuid` are of things that
    arrive under another UUID; where an object is only referred to, by its name, nothing is lost.
"""


def pages() -> dict[str, str]:
    """The text of each page by its name."""
    return {
        "verbs.md": verbs(),
        "configuration.md": configuration(),
        "exit-codes.md": exit_codes(),
        "not-replicated.md": not_replicated(),
        "losses.md": losses(),
    }


# --- verbs ----------------------------------------------------------------------------------------------------------


def commands(group: click.Group, above: str = "aipstream") -> Iterator[tuple[str, click.Command]]:
    """(`aipstream park retry`, command) of every verb below the group."""
    for name, command in group.commands.items():
        yield f"{above} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{above} {name}")


def verbs() -> str:
    """docs/verbs.md."""
    lines = [
        "# Verbs\n",
        f"`aipstream [OPTIONS] VERB …`. {aipstream.help}\n",
        _paragraphs(ABOUT_VERBS),
        *_options(aipstream),
    ]
    for path, command in commands(aipstream):
        usage = " ".join(
            [
                path,
                *(
                    parameter.make_metavar(click.Context(command))
                    for parameter in command.params
                    if isinstance(parameter, click.Argument)
                ),
            ]
        )
        lines += [f"## {path}\n", f"    {usage} [OPTIONS]\n", _paragraphs(command.help or ""), *_options(command)]
    return MADE + "\n".join(lines)


def _options(command: click.Command) -> list[str]:
    rows = []
    for option in command.params:
        if isinstance(option, click.Option):
            names = ", ".join(f"`{name}`" for name in option.opts)
            metavar = "" if option.is_flag else f" {option.make_metavar(click.Context(command))}"
            default = option.default
            shown = f" Default: `{default}`." if option.show_default and not callable(default) else ""
            rows.append((names + metavar.replace("|", "\\|"), (option.help or "") + shown))
    return [_table(("option", "meaning"), rows)] if rows else []


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())) + "\n"


# --- configuration --------------------------------------------------------------------------------------------------


def keys(section: str) -> dict[str, str]:
    """What the docstring of a section says of each key. Raises KeyError for a key without a word."""
    kind = SECTIONS[section]
    told: dict[str, str] = {}
    current = ""
    for line in (kind.__doc__ or "").splitlines():
        match = re.match(r"    (\w+)\s{2,}(.*)", line)
        if match and match[1] in kind.__struct_fields__:
            current = match[1]
            told[current] = match[2].strip()
        elif current and line.strip():
            told[current] += " " + line.strip()
        else:
            current = ""
    return {name: told[name] for name in kind.__struct_fields__}


def configuration() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration\n",
        _paragraphs(ABOUT_CONFIGURATION),
    ]
    optional = {field.name for field in msgspec.structs.fields(Config) if not field.required}
    for section, kind in SECTIONS.items():
        meaning = (kind.__doc__ or "").strip().splitlines()[0].partition(": ")[2]
        may = " May be absent." if section in optional else ""
        lines.append(f"## [{section}]\n\n{meaning[:1].upper()}{meaning[1:]}{may}\n")
        told = keys(section)
        rows = [
            (
                f"`{field.name}`",
                _default(field),
                f"`AIPSTREAM_{section}_{field.name}`".upper(),
                told[field.name] + _allowed(field),
            )
            for field in msgspec.structs.fields(kind)
        ]
        lines.append(_table(("key", "default", "variable", "meaning"), rows))
    return MADE + "\n".join(lines)


def _allowed(field: msgspec.structs.FieldInfo) -> str:
    return f" ({allowed(field)})" if allowed(field) else ""


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be given"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{msgspec.json.encode(value).decode()}`"


# --- exit codes -----------------------------------------------------------------------------------------------------


def error_classes() -> list[type[AipstreamError]]:
    """Every error class of the project, by exit code and name."""
    for package in (events, daemon):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: set[type[AipstreamError]] = {AipstreamError}
    waiting = [AipstreamError]
    while waiting:
        below = waiting.pop().__subclasses__()
        found.update(below)
        waiting += below
    ours = [each for each in found if each.__module__.split(".")[0] in {"events", "daemon"}]
    return sorted(ours, key=lambda each: (each.exit_code, each.__name__, each.__module__))


def exit_codes() -> str:
    """docs/exit-codes.md."""
    rows = [(f"**{code}**", "", meaning) for code, meaning in OTHER_CODES.items() if meaning]
    for each in error_classes():
        if each is AipstreamError:
            rows.append(("**1**", "`AipstreamError`", "Anything else; `--verbose` shows the traceback."))
        else:
            rows.append((f"**{each.exit_code}**", f"`{each.__name__}`", f"{_first(each)} {each.hint}"))
    rows.sort(key=lambda row: int(row[0].strip("*")))
    return MADE + "\n".join(
        [
            "# Exit codes\n",
            _paragraphs(ABOUT_ERRORS),
            _table(("code", "error", "meaning, and what to do"), rows),
            _paragraphs(ABOUT_WAITING),
        ]
    )


def _first(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


# --- what stays behind ----------------------------------------------------------------------------------------------


def not_replicated() -> str:
    """docs/not-replicated.md."""
    reasons: dict[tuple[str, str], list[str]] = {}
    optional = []
    for entry in ENTRIES:
        if entry.place is Place.OPERATIONAL:
            reasons.setdefault((entry.table, entry.meaning), []).append(entry.column)
        elif entry.option:
            optional.append((f"`{entry.table}.{entry.column}`", f"`{entry.option}`"))
    left = [(each.rows, ", ".join(f"`{table}`" for table in each.tables), each.reason) for each in LEFT_OUT]
    rows = [(f"`{table}`", ", ".join(columns), reason) for (table, reason), columns in sorted(reasons.items())]
    return MADE + "\n".join(
        [
            "# What is not replicated\n",
            _paragraphs(ABOUT_COVERAGE),
            "## Rows of content tables that are no content\n",
            _table(("rows", "tables", "why"), left),
            "## What travels only if it is asked for\n",
            _table(("column", "setting"), optional),
            "## Operational columns\n",
            _table(("table", "columns", "why"), rows),
        ]
    )


# --- losses ---------------------------------------------------------------------------------------------------------


def losses() -> str:
    """docs/losses.md."""
    rows: list[tuple[str, ...]] = [(f"`{code}`", told.title, told.why, told.carried) for code, told in CODES.items()]
    return MADE + "\n".join(
        ["# Losses\n", _paragraphs(ABOUT_LOSSES), _table(("code", "what", "why", "what would carry it"), rows)]
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def stale() -> list[str]:
    """The names of the pages that are not as the code says."""
    return [
        name
        for name, text in pages().items()
        if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != text
    ]


def main() -> None:
    """Write the pages, or with `--check` say which are stale and end with 1 if any is."""
    if "--check" in sys.argv[1:]:
        names = stale()
        for name in names:
            print(f"docs/{name} is not in step: run `python -m ops.docs`")
        sys.exit(1 if names else 0)
    DOCS.mkdir(exist_ok=True)
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
