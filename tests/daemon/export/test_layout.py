"""Which package leads to which, and what packages are called."""

from __future__ import annotations

from daemon.export.layout import Layout
from daemon.export.moment import Moment
from tests.daemon.export.composed import SITE, Repository, uuid_of


def restored(layout: Layout, roots: list[str]) -> list[str]:
    """The objects in the order in which a recursive restore makes them; the parent of each must be there by then."""
    made: list[str] = []
    waiting = list(reversed(roots))
    while waiting:
        uuid = waiting.pop()
        if uuid in made:
            continue
        head = layout.moment.heads[uuid]
        parent = layout.parent(head)
        assert parent is None or parent in made or uuid in roots, f"{uuid} comes before its parent {parent}"
        made.append(uuid)
        waiting += reversed([child.uuid for child in layout.children(uuid)])
    return made


def test_an_item_that_is_mapped_into_an_earlier_collection_waits_for_its_owner(repository: Repository) -> None:
    """Stock DSpace aborts if the parent that a package names is not there yet; the mapping comes with the item."""
    repository.community(1)
    repository.collection(2, 1)
    repository.collection(3, 1)
    repository.item(10, 3, 2)  # owned by the later collection
    repository.item(11, 2, 3)  # owned by the earlier one
    layout = Layout(Moment(repository.log), [SITE])
    assert restored(layout, [SITE]) == [SITE, *map(uuid_of, (1, 2, 11, 3, 10))]
    assert [head.uuid for head in layout.children(uuid_of(2))] == [uuid_of(11)]
    assert [head.uuid for head in layout.children(uuid_of(3))] == [uuid_of(10), uuid_of(11)]


def test_a_single_collection_leads_to_all_of_its_items(repository: Repository) -> None:
    """The owner of a mapped item is not restored with it, so it must be on the target anyway."""
    repository.community(1)
    repository.collection(2, 1)
    repository.collection(3, 1)
    repository.item(10, 3, 2)
    layout = Layout(Moment(repository.log), [uuid_of(2)])
    assert [head.uuid for head in layout.children(uuid_of(2))] == [uuid_of(10)]


def test_a_container_of_two_containers_is_restored_below_the_one_that_it_names(repository: Repository) -> None:
    """Its own package names one parent; from the other, if that comes first, nothing leads to it."""
    repository.community(1)
    repository.community(4)
    repository.community(2, 4)
    repository.collection(3, 4, 1)
    repository.item(10, 3)
    layout = Layout(Moment(repository.log), [SITE])
    assert restored(layout, [SITE]) == [SITE, *map(uuid_of, (1, 4, 2, 3, 10))]


def test_sub_communities_come_before_collections_before_items(repository: Repository) -> None:
    """As stock DSpace writes it."""
    repository.community(5)
    repository.collection(1, 5)
    repository.community(2, 5)
    layout = Layout(Moment(repository.log), [SITE])
    assert [head.uuid for head in layout.children(uuid_of(5))] == [uuid_of(2), uuid_of(1)]


def test_nothing_leads_to_what_is_withdrawn_or_old_or_without_a_handle(repository: Repository) -> None:
    """Stock DSpace could publish the first two, and stops at the third."""
    repository.community(1)
    repository.collection(2, 1)
    repository.item(10, 2)
    repository.item(11, 2, archived=False, withdrawn=True)
    repository.item(12, 2, archived=False)
    repository.item(13, 2, handle=None)
    layout = Layout(Moment(repository.log), [SITE])
    assert [head.uuid for head in layout.children(uuid_of(2))] == [uuid_of(10)]


def test_no_two_packages_have_one_name(repository: Repository) -> None:
    """`1/2-3` and `1-2/3` would both be `1-2-3`: they get their UUIDs."""
    repository.community(1, handle="1/2-3")
    repository.community(2, handle="1-2/3")
    repository.community(3, handle="1/7")
    layout = Layout(Moment(repository.log))
    names = [layout.name(head) for head in layout.moment.children(SITE)]
    assert names == [
        f"COMMUNITY@internal-id-{uuid_of(1)}.zip", f"COMMUNITY@internal-id-{uuid_of(2)}.zip", "COMMUNITY@1-7.zip",
    ]  # fmt: skip
