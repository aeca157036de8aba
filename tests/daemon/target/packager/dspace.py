#!/usr/bin/env python3
"""A stand-in for DSpace's command line, for the failures that a real one cannot be made to have at will.

`dspace.py FOLDER COMMAND ...`: the folder holds what it is to do, and gets what it did. It knows packages only as far
as the replay looks at them: what the package on top names, in one transaction, and which handle each has.

    bad        handles whose packages it refuses, one a line
    mode       `down`, `full`, `stranger`, `rights`, `status0`, `silent`, `hang`, `hang-on HANDLE`, `slow`
    calls      every command, one a line
    loaded     every package that was committed, `HANDLE NAME`, one a line; `roles` what the last roles were
    running    written while it hangs
"""

import os
import re
import sys
import time
import zipfile
from pathlib import Path

folder, words = Path(sys.argv[1]), sys.argv[2:]


def said(name: str) -> str:
    path = folder / name
    return path.read_text() if path.exists() else ""


def end(status: int, *lines: str) -> None:
    print(*lines, sep="\n")
    sys.stdout.flush()
    os._exit(status)


def thrown(message: str) -> list[str]:
    return [message, "\tat org.dspace.app.packager.Packager.main(Packager.java:361)", message]


def hang() -> None:
    (folder / "running").write_text(str(os.getpid()))
    time.sleep(600)


def packager() -> None:
    mode, bad = said("mode").strip(), said("bad").split()
    if mode == "stranger":
        end(1, "Error, eperson cannot be found: " + words[words.index("-e") + 1], " (run with -h flag for details)")
    print("Beginning replacement process...")
    top = Path(words[-1])
    with zipfile.ZipFile(top) as package:
        manifest = package.read("mets.xml").decode()
    (folder / "roles").write_text(manifest)
    names = re.findall(r'LOCTYPE="URL"[^>]*xlink:href="([^"]+)"', manifest) if "-a" in words else []
    packages = [top.parent / name for name in names] if "-a" in words else [top]
    if mode == "rights" and packages:
        end(1, *thrown("org.dspace.authorize.AuthorizeException: denied for " + packages[0].name))
    loaded = []
    for path in packages:
        with zipfile.ZipFile(path) as package:
            handle = re.search(r'OBJID="hdl:([^"]+)"', package.read("mets.xml").decode())
        name = handle[1] if handle else "none"
        if mode == f"hang-on {name}":
            hang()
        if name in bad:
            message = (
                f"java.lang.RuntimeException: Error while attempting to register doi: the handle {name} is foreign"
            )
            end(0 if mode == "status0" else 1, *thrown(message))
        loaded.append(f"{name} {path.name}\n")
    if mode == "hang":
        hang()
    if mode == "slow":
        (folder / "running").write_text(str(os.getpid()))
        while said("mode").strip() == "slow":
            time.sleep(0.05)
    if "-a" in words:
        print(f"REPLACED a total of {len(packages) + 1} DSpace Objects.")
    for line in loaded:
        print(f"REPLACED DSpace ITEM [ hdl={line.split()[0]} ] ")
    if mode == "commit":
        end(1, *thrown("java.sql.SQLException: the commit failed"))
    with (folder / "loaded").open("a") as committed:
        committed.writelines(loaded)
    end(0)


with (folder / "calls").open("a") as calls:
    calls.write(" ".join(words) + "\n")
mode = said("mode").strip()
if mode == "down":
    end(1, "Failure during kernel init: Cannot create PoolableConnectionFactory (Connection to 127.0.0.1:1 refused)")
if mode == "full":
    end(1, "Beginning replacement process...", *thrown("java.io.IOException: No space left on device"))
if mode == "silent":
    end(3)
if words[0] == "packager":
    packager()
if words[0] == "import":
    with (folder / "deleted").open("a") as deleted:
        deleted.writelines(line.split()[1] + "\n" for line in Path(words[3]).read_text().splitlines())
    end(0, "The script has started", f"Deleting items listed in mapfile: {words[3]}", "The script has completed")
if words[0] == "dsrun" and words[1].endswith("Version"):
    end(0, "DSpace version:  8.2", "  SCM revision:  none")
if words[0] == "dsrun" and words[1].endswith("EPersonCLITool"):
    if "-M" in words and mode == "taken":
        end(1, "could not execute statement; duplicate key value violates unique constraint")
    end(0, f"{'Modified' if '-M' in words else 'Deleted'} EPerson with ID: {words[-1]}")
if words == ["database", "update-sequences"] and mode == "empty":
    end(
        1,
        "Caught exception:",
        "org.postgresql.util.PSQLException: ERROR: setval: value 0 is out of bounds for sequence "
        '"handle_seq" (1..9223372036854775807)',
    )
end(0, "done")
