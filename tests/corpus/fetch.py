"""Fetches one source distribution with pip's own index, session and settings: ``fetch.py NAME==VERSION FILE``.

``pip download --no-binary`` would build the package to learn its metadata; only the file is wanted. pip promises
nothing about its insides, so this runs in a process of its own, and who asked checks what came against the lock.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pip._internal.commands.download import DownloadCommand


class Fetch(DownloadCommand):
    """``pip download`` up to the link, and no further."""

    def run(self, options, args):
        requirement, target = args
        name, _, version = requirement.partition("==")
        session = self.get_default_session(options)
        found = self._build_package_finder(options=options, session=session).find_all_candidates(name)
        links = [each.link for each in found if str(each.version) == version and not each.link.is_wheel]
        if not links:
            print(f"no source distribution of {requirement} among {len(found)} files", file=sys.stderr)
            return 1
        response = session.get(links[0].url_without_fragment)
        response.raise_for_status()
        partial = Path(target).with_suffix(".part")
        partial.write_bytes(response.content)
        partial.replace(target)
        return 0


if __name__ == "__main__":
    sys.exit(Fetch("fetch", "Fetch one source distribution.").main(["--no-binary", ":all:", *sys.argv[1:]]))
