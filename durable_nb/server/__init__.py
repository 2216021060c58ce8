"""A Jupyter Server extension: the notebooks with work to resume, as a page and as JSON.

Enabled by the configuration that the wheel installs; nothing here is imported unless a server loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell a Jupyter server which module to load."""
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    """Add the handlers to a Jupyter server."""
    from durable_nb.server.handlers import add_handlers

    add_handlers(app.web_app)
    app.log.info("durable_nb: notebooks with work to resume are listed at %s", f"{app.base_url}durable-nb")
