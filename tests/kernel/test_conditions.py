"""What a cell depends on through the calls it makes, and what it leaves on disk, over a kill."""

from __future__ import annotations


def test_a_cell_inherits_what_its_replayed_calls_read(start_kernel, tmp_path):
    """A cell completed after a kill, some of its calls replayed, still depends on the files those calls read."""
    (tmp_path / "data.txt").write_text("1")
    setup = "%load_ext durable_nb\nfrom durable_nb import step\n@step\ndef load(p):\n    return int(open(p).read())"
    cell = """%%step total
import os, threading
x = load('data.txt')
if os.path.exists('block'):
    print('blocked', flush=True)
    threading.Event().wait()
x"""
    (tmp_path / "block").touch()
    kernel = start_kernel()
    kernel.run(setup, "setup")
    kernel.run_until(cell, "blocked", "cell")
    (tmp_path / "block").unlink()
    kernel.restart()
    kernel.run(setup, "setup")
    resumed = kernel.run(cell, "cell")
    assert any("1 call replayed" in line for line in resumed.own_lines)
    assert any(line.startswith("↻ replayed total") for line in kernel.run(cell, "cell").own_lines)
    (tmp_path / "data.txt").write_text("2")
    edited = kernel.run(cell, "cell")
    assert edited.foreign[-1]["data"]["text/plain"] == "2"
    assert any("data.txt changed" in line for line in edited.own_lines)


def test_a_cell_whose_file_is_gone_writes_it_again(start_kernel, tmp_path):
    """A cell that wrote a file replays only while the file is as it left it."""
    cell = "%%step save\nwith open('out.txt', 'w') as f:\n    _n = f.write('kept')\ndel f"
    kernel = start_kernel()
    kernel.run("%load_ext durable_nb", "setup")
    kernel.run(cell, "cell")
    assert any("replayed save" in line for line in kernel.run(cell, "cell").own_lines)
    (tmp_path / "out.txt").unlink()
    again = kernel.run(cell, "cell")
    assert (tmp_path / "out.txt").read_text() == "kept"
    assert any("out.txt, which it wrote, is gone" in line for line in again.own_lines)
