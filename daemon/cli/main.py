"""`aipstream`: the group of all verbs, and the one place where an error becomes a message and an exit code.

Invariant: an error of the project ends with its own message, hint and exit code; any other with one line and code 1,
and its traceback only on `--verbose`. No traceback and no password reaches a user unasked.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from daemon.cli import (
    blobs,
    check,
    config,
    copy,
    demo,
    diff,
    export,
    import_,
    index,
    init,
    keep,
    log,
    losses,
    park,
    prune,
    replay,
    restore,
    run,
    sequences,
    slot,
    snapshot,
    status,
    undo,
    verify,
    why,
)
from daemon.cli.session import DEFAULT, TARGET, VARIABLE, Session
from daemon.redaction import hide
from events.errors import AipstreamError, ConfigError, Interrupted, StorageUnusable

EPILOG = (
    "Exit codes: 0 done, 2 not usable as it is configured, 3 done but for parked objects, 4 differs; all others "
    "in docs/exit-codes.md."
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=VARIABLE,
    default=DEFAULT,
    show_default=True,
    help=f"The configuration. [env: {VARIABLE}]",
)
@click.option(
    "--target",
    metavar="NAME",
    envvar=TARGET,
    help=f"The target that the verb is about, where there are several: that of [targets.NAME]. [env: {TARGET}]",
)
@click.option("--verbose", is_flag=True, help="Say more, and show the traceback of an error.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How messages on standard error are written.",
)
@click.version_option(package_name="aipstream", prog_name="aipstream")
@click.pass_context
def aipstream(
    context: click.Context,
    path: Path,
    target: str | None,
    verbose: bool,
    log_format: Any,  # noqa: ANN401
) -> None:
    """Keep a second DSpace exactly like the first, with the whole way there as a log that can be replayed."""
    context.obj = Session(path, verbose, log_format, target=target)


for verb in (
    init.init,
    check.check,
    snapshot.snapshot,
    replay.replay,
    restore.restore,
    undo.undo,
    run.run,
    verify.verify,
    sequences.sequences,
    index.index,
    status.status,
    losses.losses,
    log.log,
    prune.prune,
    keep.keep,
    copy.copy,
    why.why,
    diff.diff,
    export.export,
    park.park,
    slot.slot,
    blobs.blobs,
    config.config,
    import_.import_,
    demo.demo,
):
    aipstream.add_command(verb)


def main(arguments: list[str] | None = None) -> None:
    """Run one verb and exit with its code."""
    sys.exit(outcome(arguments))


def outcome(arguments: list[str] | None = None) -> int:
    """Run one verb; its exit code."""
    context: click.Context | None = None
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with aipstream.make_context("aipstream", list(words)) as context:
            aipstream.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.Abort:
        return _tell(context, Interrupted("interrupted", "The same command goes on where it stopped."))
    except click.ClickException as error:
        click.echo(hide(error.format_message() if error.__class__ is click.ClickException else _usage(error)), err=True)
        return 2
    except BrokenPipeError:
        _nowhere()
        return 141
    except KeyboardInterrupt:
        return _tell(context, Interrupted("interrupted"))
    except UnicodeEncodeError as error:
        if error.object not in words:
            return _tell(context, error)
        # A path may be any bytes; what is looked for in a log or a database is text.
        return _tell(context, ConfigError(f"{error.object!r} is no text", "Write it in UTF-8."))
    except OSError as error:
        return _tell(context, _output_refused(error) or error)
    except Exception as error:  # noqa: BLE001 - the last place where anything can be told
        return _tell(context, error)
    return 0


WRITING = ("click.utils", "daemon.cli.log", "daemon.cli.output")
"""The modules that write to standard output."""


def _output_refused(error: OSError) -> StorageUnusable | None:
    """What to say if that is an error of standard output: a full device, say. What it holds goes nowhere then."""
    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    if error.filename is not None or last.f_globals.get("__name__") not in WRITING:
        return None
    _nowhere()
    return StorageUnusable(
        f"the output cannot be written: {error.strerror or error}",
        "Free space there, or send it elsewhere. What the verb itself has done stays done.",
    )


def _nowhere() -> None:
    """Let what is left for standard output go nowhere, else the interpreter complains at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    hint = f"\n  `{context.command_path} --help` tells more." if context else ""
    return f"aipstream: {error.format_message()}{hint}"


def _tell(context: click.Context | None, error: BaseException) -> int:
    session = context.obj if context is not None and isinstance(context.obj, Session) else None
    verbose = session.verbose if session else "--verbose" in sys.argv
    if isinstance(error, AipstreamError):
        code, kind, message, hint = error.exit_code, type(error).__name__, str(error), error.hint
    else:
        code, kind = 1, type(error).__name__
        message = f"unexpected {kind}: {' '.join(str(error).split()) or 'no message'}"
        hint = "" if verbose else "`aipstream --verbose …` shows the traceback."
    message, hint = hide(message), hide(hint)
    if verbose:
        click.echo(hide("".join(traceback.format_exception(error))).rstrip(), err=True)
    told = {"error": kind, "message": message, "hint": hint, "exit_code": code}
    if session and session.log_format == "json":
        click.echo(json.dumps(told, ensure_ascii=False), err=True)
    else:
        click.echo(f"aipstream: {message}", err=True)
        for line in hint.splitlines():
            click.echo(f"  {line}", err=True)
    if session and session.json and not session.printed:
        try:
            click.echo(json.dumps(told, ensure_ascii=False))
        except OSError:  # it is told above
            _nowhere()
    return code
