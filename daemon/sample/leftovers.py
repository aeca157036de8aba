"""What lies in a real database besides its content: drafts, tasks, deleted files, job output, orphans and requests.

Invariant: none of it is content, so none of it may reach another repository unless drafts are asked for.
"""

from __future__ import annotations

from daemon.sample.records import record, small_files
from daemon.sample.repository import Repository
from daemon.sample.structure import World
from daemon.sample.vocabulary import READ, File, Grant, MadeItem, Text


def draft(repository: Repository, collection: str, submitter: str, title: str) -> MadeItem:
    """The item of a submission: in no archive, without handle, with the submitter's own policies."""
    texts = [
        text
        for text in record(repository.random, repository.moment(), 10, title=title)
        if not text.field.startswith("dc.date.a")
    ]
    grants = [Grant(action, None, submitter, type="TYPE_SUBMISSION") for action in range(5)]
    made = repository.item(
        None,
        texts,
        small_files(repository.random, repository.files, 1),
        submitter=submitter,
        archived=False,
        handle=None,
        grants=grants,
    )
    repository.rows.add("workspaceitem", made.uuid, collection, False, False, True, 1, -1)
    return made


def add_drafts(repository: Repository, world: World) -> None:
    """Submissions (one of them a new version), supervised ones, and workflow items in a pool, claimed and for one."""
    rows, random, people = repository.rows, repository.random, world.people
    home = world.collections[0].uuid
    draft(repository, home, people[0], "Draft")
    supervised = draft(repository, home, people[1], "Supervised draft")
    rows.add("supervision_orders", supervised.uuid, world.groups[0])
    published = repository.item(
        home, record(random, repository.moment(), 12, title="Being revised"), small_files(random, repository.files, 2)
    )
    revised = draft(repository, home, people[0], "Draft of a new version")
    repository.history(
        [
            (1, published.uuid, "2024-01-01 00:00:00", None, people[0]),
            (2, revised.uuid, "2024-05-01 00:00:00", "in work", people[0]),
        ]
    )
    for number, title in enumerate(("In the pool", "Claimed", "Pooled for a person")):
        item = repository.item(
            None,
            record(random, repository.moment(), 9, title=title),
            small_files(random, repository.files, 1),
            submitter=people[2],
            archived=False,
            handle=None,
            grants=[Grant(READ, None, people[3], type="TYPE_WORKFLOW")],
        )
        key = rows.number("cwf_workflowitem_seq")
        rows.add("cwf_workflowitem", key, item.uuid, home, False, False, False)
        rows.add("cwf_workflowitemrole", "reviewer", key, None, people[3])
        place = (key, "defaultWorkflow", "reviewstep")
        if number == 1:
            rows.add("cwf_claimtask", *place, "reviewaction", people[3])
            rows.add("cwf_in_progress_user", key, number == 0, people[3])
        else:
            rows.add(
                "cwf_pooltask",
                *place,
                "claimaction",
                world.groups[0] if number == 0 else None,
                people[3] if number == 2 else None,
            )


def add_leftovers(repository: Repository, world: World) -> None:
    """Deleted bitstreams, a job with its log, debris, an orphan policy, a request for a copy, a registration."""
    rows, random = repository.rows, repository.random
    for number in range(2):
        stored = repository.files.store(random.randbytes(700))
        repository.bitstream(File(f"deleted-{number}.pdf", stored), number + 1, (), deleted=True)
    log = repository.bitstream(
        File("job.log.txt", repository.files.store(b"it ran\n")), None, [Grant(READ, None, world.people[0])]
    )
    key = rows.number("process_id_seq")
    rows.add("process", key, world.people[0], "2024-04-04 04:04:04", "index-discovery", "COMPLETED", "")
    rows.add("process2bitstream", key, log)
    debris = repository.uuid()
    rows.add("item", debris, False, False, True, str(repository.moment()), None, None, None)
    repository.values(debris, [Text("dc.title", "Debris")])
    rows.add("resourcepolicy", None, 2, READ, repository.anonymous, None, None, None, None, None, "of nothing")
    asked = repository.item(
        world.collections[0].uuid,
        record(random, repository.moment(), 10, title="Asked for"),
        small_files(random, repository.files, 1),
    )
    rows.add(
        "requestitem",
        f"{random.getrandbits(128):032x}",
        False,
        "reader@example.com",
        "A Reader",
        "2024-07-07 07:07:07",
        False,
        asked.uuid,
        asked.bitstreams[0][1],
    )
    rows.add("registrationdata", "newcomer@example.com", f"{random.getrandbits(128):032x}", "2024-08-08 08:08:08")
