"""What people read of a run, where no line can be written over."""

from __future__ import annotations

from durable_nb.cli.progress import People


def test_a_log_tells_of_a_long_loop_every_half_a_minute(capsys):
    """The first time that the kernel tells of it, then at most twice a minute; each cell begins anew."""
    tell = People({}, terminal=False)
    for cell in ("first", "second"):
        tell({"event": "cell_started", "id": cell, "place": 1, "of": 2, "source": cell})
        for second in range(2, 63):
            tell({"event": "calls", "text": f"{second} of 900 calls", "seconds": float(second)})
    assert capsys.readouterr().err.splitlines() == [
        f"[1/2] {cell} · {second} of 900 calls" for cell in ("first", "second") for second in (2, 32, 62)
    ]
