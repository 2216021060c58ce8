"""Row 24 of DESIGN §5 switched off: what keeps a forked child from the store of its parent."""

from __future__ import annotations

from breaks.registry import breaks, tests_of


@breaks(24, "store.ledger:never_free_in_children", *tests_of("kernel", "forks", "row_24_forks[lets_go]"))
def instance_kept(_):
    """A child may free its copy of DuckDB's instance, which writes a checkpoint into the parent's file."""
    return lambda ledger: None


@breaks(
    24,
    "store.reader:LedgerReader.detached",
    *tests_of("kernel", "forks", "row_24_forks[exits]", "row_24_forks[unloads]"),
    *tests_of("crash", "forks", "what_a_forked_child_leaves_of_the_store[sys.exit]"),
)
def ledger_detached(_):
    """A child takes the parent's connection for its own."""
    return property(lambda self: False)


@breaks(24, "core.session:Session.usable", *tests_of("kernel", "forks", "row_24_children_record_nothing[process]"))
def session_detached(_):
    """A child takes the parent's session for its own, and only the ledger refuses it."""
    return property(lambda self: not self.closed)
