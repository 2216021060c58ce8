"""``%durable trust`` in real kernels: nothing that another key signed is loaded before it."""

from __future__ import annotations

from scenes import hits, kernel_in, ready, run

LEAVES_A_MARK = "class Mark:\n    def __reduce__(self):\n        return (open, ('mark', 'w'))"
CELLS = [
    LEAVES_A_MARK,
    "%%step marked\ntally.hit('marked')\nmark = Mark()",
    "@step\ndef call():\n    tally.hit('call')\n    return 2",
    "%%step number\ntally.hit('number')\nn = 1",
    "called = call()",
]


def theirs(folder):
    """Make a store with another key."""
    with kernel_in(folder, {"DURABLE_NB_KEY_FILE": str(folder / "theirs")}) as kernel:
        assert {each.status for each in run(kernel, CELLS)} == {"ok"}
    return {"DURABLE_NB_KEY_FILE": str(folder / "mine")}


def test_a_foreign_store_is_loaded_once_it_is_trusted(tmp_path):
    """Loading the extension says so, no pickle is loaded, steps run again; after the command they replay, here too."""
    with kernel_in(tmp_path, theirs(tmp_path)) as kernel:
        kernel.run("%unload_ext durable_nb", "unload")
        (greeting,) = kernel.run("%load_ext durable_nb", "load").own_lines
        yours = f"another key than yours ({tmp_path / 'mine'})"
        assert greeting.startswith(
            f"↻ 2 steps and 1 call checkpointed with {yours}, so they run again: %durable trust if"
        )
        before = hits(tmp_path)
        assert "%durable trust" in kernel.run(CELLS[3], "cell-3").text
        assert hits(tmp_path) - before == {"number": 1}
        assert not (tmp_path / "mark").exists()
        (told, _) = kernel.run("%durable trust", "trust").own_lines
        assert told.startswith("↻ trusted ")
        assert "notebook.duckdb that another key had signed" in told
        assert not (tmp_path / "mark").exists()  # it is loaded when it replays, not before
        before = hits(tmp_path)
        lines = [line for each in run(kernel, CELLS) for line in each.own_lines]
        assert hits(tmp_path) == before
        assert [line.split(" (")[0].split(" · ")[0] for line in lines] == [
            "↻ replayed marked", "↻ replayed number", "↻ 1 call replayed",
        ]  # fmt: skip
        assert (tmp_path / "mark").exists()
        (told,) = kernel.run("%durable trust", "again").own_lines
        assert told.endswith("was written with your key: there is nothing to trust")
        kernel.kill()
        kernel.restart()
        ready(kernel)
        assert "replayed number" in run(kernel, CELLS)[3].text


def test_what_was_not_asked_for_trusts_nothing(tmp_path):
    """A word too much is an error that says so."""
    with kernel_in(tmp_path, theirs(tmp_path)) as kernel:
        refused = kernel.run("%durable trust number", "trust")
        assert refused.text == "UsageError: %durable trust takes nothing, not number (see %durable?)\n"
        before = hits(tmp_path)
        run(kernel, CELLS[3:4])
        assert hits(tmp_path) - before == {"number": 1}
