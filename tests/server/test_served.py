"""The walk goes on beside the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from stores import make_store
from tornado.web import HTTPError

from durable_nb.server import served as served_module
from durable_nb.server.served import Served
from durable_nb.store.listing import Listing


class Contents:
    allow_hidden = False

    def __init__(self, root):
        self.root_dir = str(root)

    async def is_hidden(self, path):
        return "private" in path


async def test_the_event_loop_goes_on_during_a_walk(tmp_path, monkeypatch):
    """Other requests are answered meanwhile, and a second one for the same folder shares the walk."""
    go_on, began, walks = threading.Event(), asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def slow(folder, *, hidden):
        walks.append(folder)
        loop.call_soon_threadsafe(began.set)
        assert go_on.wait(60)
        return Listing(folder)

    monkeypatch.setattr(served_module, "list_stores", slow)
    served = Served(Contents(tmp_path))
    asked = [asyncio.create_task(served.listing("")) for _ in range(3)]
    await began.wait()
    assert not any(each.done() for each in asked)
    go_on.set()
    assert [(await each).folder for each in asked] == [tmp_path.resolve()] * 3
    assert len(walks) == 1
    await served.listing("")
    assert len(walks) == 2


async def test_the_contents_manager_says_what_is_hidden(tmp_path):
    """Whatever its rule: what it hides is neither listed nor told."""
    for name in ("seen.ipynb", "private.ipynb"):
        make_store(tmp_path / name)
    served = Served(Contents(tmp_path))
    assert [each.notebook.name for each in (await served.listing("")).stores] == ["seen.ipynb"]
    assert (await served.notebook("seen.ipynb")).checkpointed
    with pytest.raises(HTTPError):
        await served.notebook("private.ipynb")


async def test_notebooks_that_are_no_files(tmp_path):
    """A contents manager without a folder has nothing to list, and says so."""
    with pytest.raises(HTTPError, match="elsewhere than in files"):
        await Served(object()).listing("")
