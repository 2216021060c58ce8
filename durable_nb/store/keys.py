"""The signing key, and the keyed digest that says a row is what this user's kernels wrote."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

from blake3 import blake3

from durable_nb.errors import StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_BYTES = 32
SIGNATURE_BYTES = 32
_MADE_FOR = b"durable_nb ledger row, format 1"
_LENGTH = Struct("<q")
_IDS = Struct("<qq")
_ABSENT = _LENGTH.pack(-1)


def key_path(env: Mapping[str, str] | None = None) -> Path:
    """Return where the signing key lives: ``DURABLE_NB_KEY_FILE``, else the user's data folder.

    Args:
        env: the environment, ``os.environ`` when None.
    """
    named = (os.environ if env is None else env).get("DURABLE_NB_KEY_FILE")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_dir

    return Path(user_data_dir("durable_nb", appauthor=False)) / "key"


def load_key(env: Mapping[str, str] | None = None) -> bytes:
    """Return the user's signing key (32 bytes), made on first use with mode 0600.

    Any key file of 32 bytes or more is accepted, so that teams can share one by their own means.

    Args:
        env: the environment, ``os.environ`` when None.

    Raises:
        StoreUnusable: the file cannot be read or made, or is too short.
    """
    path = key_path(env)
    try:
        if not path.exists():
            _create(path)
        content = path.read_bytes()
    except OSError as error:
        raise StoreUnusable(path, _advice(path, f"cannot be used ({error.strerror})")) from error
    if len(content) < KEY_BYTES:
        raise StoreUnusable(path, _advice(path, f"has {len(content)} bytes and needs {KEY_BYTES}"))
    if len(content) == KEY_BYTES:
        return content
    return blake3(content).digest()


def _advice(path: Path, what: str) -> str:
    return f"the signing key {path} {what}: set DURABLE_NB_KEY_FILE to a file that can be used"


def _create(path: Path) -> None:
    """Make the key so that no other process can ever read half of one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp's mode is 0600.
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        publish(Path(draft), path)
    finally:
        Path(draft).unlink(missing_ok=True)


def publish(draft: Path, path: Path) -> bool:
    """Give a finished file its name, never replacing one; False when another process was first."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if path.exists():
            return False
        draft.replace(path)
    return True


def sign(key: bytes, store_id: bytes, row: tuple[int, int, str, str, str | None, bytes]) -> bytes:
    """Return the keyed digest (blake3, 32 bytes) of one row of the log.

    Each part is prefixed by its length, so that no two rows are signed by the same bytes.

    Args:
        key: 32 bytes.
        store_id: of the ledger, so that a row cannot be carried into another one.
        row: id, parent, kind, head, detail and body without the signature.
    """
    number, parent, kind, head, detail, body = row
    kind_bytes = kind.encode()
    head_bytes = head.encode()
    detail_bytes = b"" if detail is None else detail.encode()
    parts = (
        _LENGTH.pack(len(store_id)),
        store_id,
        _IDS.pack(number, parent),
        _LENGTH.pack(len(kind_bytes)),
        kind_bytes,
        _LENGTH.pack(len(head_bytes)),
        head_bytes,
        _ABSENT if detail is None else _LENGTH.pack(len(detail_bytes)),
        detail_bytes,
        _LENGTH.pack(len(body)),
        body,
    )
    return blake3(_MADE_FOR + b"".join(parts), key=key).digest()
