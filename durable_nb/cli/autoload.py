"""The part of ``ipython_config.json`` that loads the extension: put in, taken out, found in what IPython reads.

A wheel cannot ship that file: IPython has no folder of parts for it, so that it would replace the user's.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from durable_nb.cli.command import CommandError
from durable_nb.cli.tree import has, kind, leaves, put, take
from durable_nb.store.replacing import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.cli.tree import Tree

TEMPLATES = ("lazy", "always")
"""The first loads the extension at the first of its magics, the second when a kernel starts."""
_NAME = "ipython_config.json"
_DISTRIBUTION = "durable-nb"


def template(name: str) -> Tree:
    """Return what is merged into the configuration, as the package installed it."""
    wanted = f"share/durable_nb/ipython/{name}.json"
    for file in metadata.files(_DISTRIBUTION) or ():
        if file.as_posix().endswith(wanted):
            content: Tree = json.loads(Path(str(file.locate())).read_text("utf-8"))
            return content
    raise CommandError(f"{wanted} is not installed: pip install --force-reinstall {_DISTRIBUTION}")


def environment_file() -> Path:
    """Return the configuration of this Python environment."""
    return Path(sys.prefix) / "etc" / "ipython" / _NAME


def profile_file(profile: str) -> Path:
    """Return the configuration of one of the user's profiles; the default one need not exist yet.

    Raises:
        CommandError: there is no such profile.
    """
    folder = _profile_folder(profile)
    if profile != "default" and not folder.is_dir():
        raise CommandError(f"there is no profile {profile} ({folder}): ipython profile create {profile}")
    return folder / _NAME


def _profile_folder(profile: str) -> Path:
    from IPython.paths import get_ipython_dir

    return Path(get_ipython_dir()) / f"profile_{profile}"


def enable(path: Path, wanted: Tree) -> bool:
    """Merge a template into a configuration; returns whether that changed anything.

    Raises:
        CommandError: the file is malformed, says otherwise, or could not be written; it is as before.
    """
    content = _read(path)
    before = json.dumps(content)
    _refuse_shadowing(path, wanted)
    for keys, value in leaves(wanted):
        put(content, keys, value, path)
    if json.dumps(content) == before:
        return False
    _write(path, content)
    return True


def disable(path: Path, unwanted: Iterable[Tree]) -> bool:
    """Take what templates put in out of a configuration; returns whether there was any of it.

    Raises:
        CommandError: as for :func:`enable`.
    """
    content = _read(path)
    before = json.dumps(content)
    for each in unwanted:
        for keys, value in leaves(each):
            take(content, keys, value)
    if json.dumps(content) == before:
        return False
    if content:
        _write(path, content)
    else:
        path.resolve().unlink()
    return True


def overridden(wanted: Tree, profile: str) -> list[str]:
    """Say of each setting that another file replaces it, in what IPython reads for a profile."""
    effective = effective_config(profile)
    absent = (".".join(keys[:2]) for keys, value in leaves(wanted) if not has(effective, keys, value))
    return [f"{name} is set elsewhere, and that wins: add it there" for name in dict.fromkeys(absent)]


def loads(wanted: Tree, profile: str) -> bool:
    """Say whether IPython's configuration for a profile has all of a template."""
    effective = effective_config(profile)
    return all(has(effective, keys, value) for keys, value in leaves(wanted))


def effective_config(profile: str) -> Tree:
    """Return what IPython reads for a profile: the system's files, the environment's, the user's."""
    from IPython.core.application import ENV_CONFIG_DIRS, SYSTEM_CONFIG_DIRS, BaseIPythonApplication

    application = BaseIPythonApplication()
    application.config_file_paths = [str(_profile_folder(profile)), *ENV_CONFIG_DIRS, *SYSTEM_CONFIG_DIRS]
    application.load_config_file()
    return dict(application.config)


def _refuse_shadowing(path: Path, wanted: Tree) -> None:
    """Refuse where ``ipython_config.py`` beside the file sets the same: the JSON file's value would replace it."""
    python = path.with_suffix(".py")
    if not python.exists():
        return
    from traitlets.config.loader import PyFileConfigLoader

    try:
        settings_of: Tree = dict(PyFileConfigLoader(python.name, path=str(python.parent)).load_config())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CommandError(f"{python} cannot be read ({reason}): mend it first; nothing was changed") from error
    for section, settings in wanted.items():
        for name, value in settings.items():
            if name in settings_of.get(section, {}):
                verb = "extend" if isinstance(value, list) else "update"
                line = f"c.{section}.{name}.{verb}({json.dumps(value)})"
                raise CommandError(f"{python} sets {section}.{name}, which {_NAME} would replace: add there {line}")


def _read(path: Path) -> Tree:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CommandError(f"{path} is not JSON ({error}): mend it first; nothing was changed") from error
    if not isinstance(content, dict):
        raise CommandError(f"{path} holds {kind(content)}, not an object: mend it first; nothing was changed")
    return content


def _write(path: Path, content: Tree) -> None:
    """Replace the file, and never leave half of one; a link stays one."""
    try:
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}); nothing was changed") from error
