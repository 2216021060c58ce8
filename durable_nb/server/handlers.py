"""The addresses of the extension, with the checks of Jupyter's own: nothing here changes anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, FileFindHandler, JupyterHandler, path_regex
from jupyter_server.utils import url_path_join
from tornado import web

from durable_nb.server.page import FRONT_ENDS, FrontEnd, render
from durable_nb.server.served import Served

STATIC = Path(__file__).parent / "static"
_RESOURCE = "contents"
"""Who may see the files may see what is checkpointed of them."""


def add_handlers(application: Any) -> None:
    """Add the handlers to a server's web application."""
    served = {"served": Served(application.settings["contents_manager"])}
    top = url_path_join(application.settings["base_url"], "durable-nb")
    application.add_handlers(
        ".*$",
        [
            (top + "/?", PageHandler, served),
            (url_path_join(top, "api/notebooks"), NotebooksHandler, served),
            (url_path_join(top, "api/notebooks") + path_regex, NotebookHandler, served),
            (url_path_join(top, "static/(.*)"), FileFindHandler, {"path": [str(STATIC)]}),
        ],
    )


class _Serves:
    """What the handlers begin with: who may ask, and what they answer from."""

    auth_resource = _RESOURCE
    _served: Served

    def initialize(self, served: Served) -> None:
        """Take what the server serves."""
        self._served = served


class NotebooksHandler(_Serves, APIHandler):
    """Lists the notebooks with something to go on with."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"folder", "notebooks", "refused", "cut"}``; ``?folder=`` asks for one folder and what is below."""
        folder = self.get_query_argument("folder", "")
        listing = await self._served.listing(folder)
        entries = [each.entry(self._served.root) for each in listing.stores]
        await self.finish({"folder": folder, "notebooks": entries, "refused": listing.refused, "cut": listing.cut})


class NotebookHandler(_Serves, APIHandler):
    """Tells of the store of one notebook."""

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        """Answer the notebook's entry, with ``summary``: what the store's owner told; null where not believed."""
        found = await self._served.notebook(path.removeprefix("/"))
        await self.finish({**found.entry(self._served.root), "summary": found.summary})


class PageHandler(_Serves, JupyterHandler):
    """The page, for people."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer the page; ``?folder=`` as for the list."""
        listing = await self._served.listing(self.get_query_argument("folder", ""))
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        await self.finish(render(listing, self._served.root, self.base_url, self._front_ends()))

    def _front_ends(self) -> list[FrontEnd]:
        """Return those that this server has, to open a notebook in."""
        extensions = self.settings["serverapp"].extension_manager.extensions
        return [each for each in FRONT_ENDS if each.extension in extensions and extensions[each.extension].enabled]
