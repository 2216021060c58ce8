"""Colours and shapes of the pictures: the page's own where it has some, ours in light and dark where it has none.

States are told by the palette of Okabe and Ito, whose colours stay apart with every common kind of colour
blindness (M. Okabe, K. Ito, Color Universal Design, 2008); sky blue and lighter tones stand in for its darker ones
on dark pages. No state is told by its colour alone: failed attempts are cross-hatched and marked with a cross,
waits are hatched, replays are rings, what runs has a moving edge, and what is stale is dashed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, NamedTuple

Theme = Literal["light", "dark"]


class Colour(NamedTuple):
    """A colour: variables of JupyterLab and of VS Code, and what is used where there are none."""

    lab: str
    code: str
    light: str
    dark: str


COLOURS: Final = {
    "ink": Colour("jp-content-font-color1", "vscode-editor-foreground", "#1f2328", "#e6edf3"),
    "muted": Colour("jp-ui-font-color2", "vscode-descriptionForeground", "#5f6873", "#9aa4af"),
    "line": Colour("jp-border-color2", "vscode-panel-border", "#dde2e7", "#373e47"),
    "ground": Colour("jp-layout-color0", "vscode-editor-background", "#ffffff", "#0d1117"),
    "shade": Colour("jp-layout-color2", "vscode-list-hoverBackground", "#f1f3f5", "#1c2128"),
    "focus": Colour("jp-brand-color1", "vscode-focusBorder", "#0a66c2", "#58a6ff"),
    "ran": Colour("", "", "#0072B2", "#4FA8E0"),
    "failed": Colour("", "", "#D55E00", "#F0803C"),
    "replayed": Colour("", "", "#007A5A", "#2CC295"),
    "waiting": Colour("", "", "#7d8590", "#8b949e"),
    "stale": Colour("", "", "#A8437F", "#E39BC4"),
}
_FONT = "var(--jp-ui-font-family, var(--vscode-font-family, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif))"
_SPACE: Final = re.compile(r"\n\s*|(?<=[{:;,]) +| +(?=\{)")
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_PLAIN_FONT = "'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif"


def rules_in(name: str) -> str:
    """Return the rules of a style sheet of this folder, as short as they can be."""
    text = Path(__file__).with_name(name).read_text("utf-8")
    return _SPACE.sub("", _COMMENT.sub("", text))


def styles(own: str) -> str:
    """Return the style sheet of a picture that may be on any page; ``own`` are the rules of its kind."""
    by_theme = {theme: _values(theme) for theme in ("light", "dark")}
    rules = [
        f".durable-view{{--d-font:{_FONT};{by_theme['light']}}}",
        f"@media (prefers-color-scheme:dark){{.durable-view{{{by_theme['dark']}}}}}",
        f'[data-jp-theme-light="true"] .durable-view,.vscode-light .durable-view{{{by_theme["light"]}}}',
        f'[data-jp-theme-light="false"] .durable-view,.vscode-dark .durable-view{{{by_theme["dark"]}}}',
    ]
    return "".join(rules) + rules_in("shapes.css") + own


def plain_styles(own: str, theme: Theme) -> str:
    """Return the same with the colours of one theme in place, for programs that know no variables."""
    text = (rules_in("shapes.css") + own).replace("var(--d-font)", _PLAIN_FONT)
    for name, colour in COLOURS.items():
        text = text.replace(f"var(--d-{name})", getattr(colour, theme))
    return text


def _values(theme: str) -> str:
    return "".join(f"--d-{name}:{_value(colour, getattr(colour, theme))};" for name, colour in COLOURS.items())


def _value(colour: Colour, otherwise: str) -> str:
    return f"var(--{colour.lab},var(--{colour.code},{otherwise}))" if colour.lab else otherwise
