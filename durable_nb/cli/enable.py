"""``durable-nb enable`` and ``disable``: the extension without ``%load_ext``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_nb.cli.command import Command
from durable_nb.cli.output import say

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path


def _arguments(parser: ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--sys-prefix", action="store_true", help="for all who use this Python environment")
    where.add_argument("--profile", metavar="NAME", default="default", help="for one of your IPython profiles")


def _enable_arguments(parser: ArgumentParser) -> None:
    _arguments(parser)
    parser.add_argument(
        "--always",
        action="store_true",
        help="load it when a kernel starts, not at the first %%%%step or %%durable: each notebook gets a store",
    )


def _enable(options: Namespace) -> int:
    from durable_nb.cli import autoload

    path = _path(options)
    template = autoload.template("always" if options.always else "lazy")
    changed = autoload.enable(path, template)
    when = "when a kernel starts" if options.always else "at the first %%step or %durable of a notebook"
    say(f"{'enabled' if changed else 'was enabled already'}: durable_nb loads {when} ({path})")
    for each in autoload.overridden(template, options.profile):
        say(f"but {each}")
    return 0


def _disable(options: Namespace) -> int:
    from durable_nb.cli import autoload

    path = _path(options)
    changed = autoload.disable(path, [autoload.template(name) for name in autoload.TEMPLATES])
    say(f"{'disabled' if changed else 'was not enabled'}: {path}")
    return 0


def _path(options: Namespace) -> Path:
    from durable_nb.cli import autoload

    return autoload.environment_file() if options.sys_prefix else autoload.profile_file(options.profile)


ENABLE = Command("enable", "load the extension without %%load_ext in your notebooks", _enable_arguments, _enable)
DISABLE = Command("disable", "undo enable", _arguments, _disable)
