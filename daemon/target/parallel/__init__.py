"""One target written by several processes at a time, with the effect of one.

What is divided is a window of the log: some thousand consecutive events, of which only the last of each object counts,
as in any batch. In it

1. the first process, which alone has the lock, reads the log and moves the position, writes what everything hangs on
   (registries, groups, people, site, communities, collections);
2. the items are divided into shares that have nothing in common (`divide`): no relationship, version history, handle,
   DOI, bundle, bitstream or file, neither in the events nor on the target. Each share is one transaction of one worker;
3. the first process writes the deletions and moves the position, in one transaction.

Invariants, and why it converges:

* What two workers write at a time touches no row in common. So their transactions commute, and a window ends as if one
  process had written it in one batch. No event overtakes one of another window.
* Objects are ahead of the position while a window is under way, and the ledger knows each of them. Where the window
  ends was noted and committed before (`aipstream.window`): whoever goes on after a kill, with however many processes,
  takes the same window whole. Nothing in it can be applied again from an older event that the window supersedes.
* A worker has no lock, no position and no log. It ends with the first process. The next one waits at its start until
  the sessions of the workers of an earlier one are gone (`ledger.fence`).

Few events (a daemon that keeps up) are written by the first process alone, as if there were no workers.
"""
