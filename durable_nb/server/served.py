"""What of the files a server may show: those that its contents manager shows, and only below its root."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from tornado.web import HTTPError

from durable_nb.store.listing import find_store, list_stores

if TYPE_CHECKING:
    from durable_nb.store.found import FoundStore
    from durable_nb.store.listing import Listing

_NOT_FOUND = 404


class Served:
    """The folder that a contents manager serves.

    Args:
        contents: the server's contents manager; one that keeps notebooks elsewhere than on this disk has no root.
    """

    def __init__(self, contents: Any) -> None:
        self._contents = contents
        self._walks: dict[Path, asyncio.Task[Listing]] = {}

    @property
    def root(self) -> Path:
        """The folder, links resolved.

        Raises:
            HTTPError: 404, the notebooks of this server are no files.
        """
        root = getattr(self._contents, "root_dir", "")
        if not root:
            raise HTTPError(_NOT_FOUND, "this server keeps its notebooks elsewhere than in files")
        return Path(root).resolve()

    async def listing(self, folder: str) -> Listing:
        """Return the stores in a folder of the server and below.

        Args:
            folder: as in the server's URLs: relative to its root, with slashes; "" is the root.

        Raises:
            HTTPError: 404, the same for what is not there and for what may not be seen.
        """
        path = await self._path(folder)
        if not path.is_dir():
            raise _not_found()
        found = await self._walk(path)
        return replace(found, stores=[each for each in found.stores if await self._shows(each)])

    async def notebook(self, path: str) -> FoundStore:
        """Return the store of one notebook.

        Raises:
            HTTPError: 404, as for :meth:`listing`; also when it has no store of this user's.
        """
        notebook = await self._path(path)
        found = await asyncio.to_thread(find_store, notebook) if notebook.suffix == ".ipynb" else None
        if found is None or not found.resumable:
            raise _not_found()
        return found

    async def _walk(self, folder: Path) -> Listing:
        """Walk on a thread; whoever asks for the same folder meanwhile waits for the same walk."""
        walk = self._walks.get(folder)
        if walk is None:
            hidden = bool(self._contents.allow_hidden)
            walk = asyncio.create_task(asyncio.to_thread(list_stores, folder, hidden=hidden))
            self._walks[folder] = walk
            walk.add_done_callback(lambda _: self._walks.pop(folder, None))
        return await asyncio.shield(walk)

    async def _path(self, path: str) -> Path:
        """Return the file of a URL's path; nothing above the root, and nothing that a link leads out of it."""
        parts = [part for part in path.split("/") if part]
        root = self.root
        if path.startswith("/") or not all(map(_is_name, parts)):
            raise _not_found()
        try:
            found = root.joinpath(*parts).resolve()
            seen = found.is_relative_to(root) and not (parts and await self._hides("/".join(parts)))
        except (OSError, RuntimeError) as error:  # links in a circle, a name that is too long
            raise _not_found() from error
        if not seen:
            raise _not_found()
        return found

    async def _shows(self, found: FoundStore) -> bool:
        return not await self._hides(found.notebook.relative_to(self.root).as_posix())

    async def _hides(self, path: str) -> bool:
        return not self._contents.allow_hidden and bool(await ensure_async(self._contents.is_hidden(path)))


def _is_name(part: str) -> bool:
    """Say whether a part of a path is one name: on Windows it may hold no other separators and no drive."""
    return part not in (".", "..") and "\0" not in part and Path(part).name == part


def _not_found() -> HTTPError:
    return HTTPError(_NOT_FOUND, "there is nothing to resume here")
