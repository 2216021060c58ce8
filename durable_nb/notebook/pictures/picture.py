"""A picture of a notebook's steps: HTML in a page, SVG and PNG in files, text in a terminal."""

from __future__ import annotations

import shutil
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from durable_nb.errors import DurableError, OptionError
from durable_nb.notebook.pictures.style import plain_styles, styles

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.notebook.pictures.style import Theme

SUFFIXES: Final = (".svg", ".html", ".png")
MIN_COLUMNS: Final = 60
PIXELS_PER_POINT: Final = 2.0


class Picture:
    """What ``%durable timeline`` and ``%durable graph`` return."""

    kind: ClassVar[str]
    rules: ClassVar[str] = ""

    def __init__(self, show: Callable[[], bool] | None = None) -> None:
        self._show = show

    # -- what each kind draws

    def text(self, columns: int) -> str:
        """Return it for a terminal that is so wide."""
        raise NotImplementedError

    def body(self) -> str:
        """Return it as HTML, without its styles."""
        raise NotImplementedError

    def drawing(self) -> tuple[int, int, str]:
        """Return its width, its height, and what is drawn, as SVG in pixels."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """Say in a line what it shows."""
        raise NotImplementedError

    # -- forms

    def __repr__(self) -> str:
        """Return it as text, as wide as the terminal."""
        return self.text(max(shutil.get_terminal_size().columns, MIN_COLUMNS))

    def html(self) -> str:
        """Return it for a page: it takes the colours of the page, and works without a kernel."""
        opening = f'<div class="durable-view durable-{self.kind}" data-lm-suppress-shortcuts="true">'
        return f"{opening}<style>{styles(self.rules)}</style>{self.body()}</div>"

    def svg(self, theme: Theme | None = None) -> str:
        """Return it as an SVG document; without a theme it follows that of whoever shows it."""
        width, height, drawn = self.drawing()
        sheet = styles(self.rules) if theme is None else plain_styles(self.rules, theme)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="durable-view" role="img" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}"><title>{escape(self.title)}</title>'
            f"<style>{sheet}</style>"
            f'<rect class="d-page" width="100%" height="100%"/>{drawn}</svg>'
        )

    def save(self, path: str | Path, *, theme: Theme = "light") -> Path:
        """Write it to a file.

        Args:
            path: ends in ``.svg``, ``.html`` or ``.png``.
            theme: of a PNG; the others follow the theme of whoever shows them.

        Returns:
            The path.

        Raises:
            OptionError: the path ends in something else.
            DurableError: a PNG was asked for, and the package that makes it is not installed.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise OptionError("path", f"must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, not {path.name!r}")
        if suffix == ".png":
            path.write_bytes(self._png(theme))
        else:
            path.write_text(self.svg() if suffix == ".svg" else self._page(), "utf-8")
        return path

    def _page(self) -> str:
        scheme = "<style>body{background:Canvas;margin:1.5em;color-scheme:light dark}</style>"
        head = f'<meta charset="utf-8"><title>{escape(self.title)}</title>{scheme}'
        return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{self.html()}</body></html>'

    def _png(self, theme: Theme) -> bytes:
        try:
            from resvg_py import svg_to_bytes
        except ImportError:
            raise DurableError(
                "a PNG needs resvg-py, which is not installed: pip install durable-nb[png], or save an .svg"
            ) from None
        return bytes(svg_to_bytes(svg_string=self.svg(theme), zoom=PIXELS_PER_POINT))

    # -- what IPython asks

    def bundle(self) -> dict[str, str]:
        """Return all forms that a page may choose from."""
        return {"text/html": self.html(), "image/svg+xml": self.svg(), "text/plain": repr(self)}

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.bundle()

    def _ipython_display_(self) -> None:
        """Show it live where somebody watches; elsewhere IPython shows its forms."""
        if self._show is None or not self._show():
            raise NotImplementedError
