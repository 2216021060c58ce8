"""Large buffers as content-addressed files: written once, mapped back without a copy."""

from __future__ import annotations

import logging
import mmap
import os
import pickle
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from durable_nb.errors import CheckpointUntrusted
from durable_nb.store.location import folder_bytes
from durable_nb.store.records import BlobRef

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

_log = logging.getLogger("durable_nb")
_CHUNK = 8 * 1024 * 1024
_DRAFT = ".draft-"
# Mapped files of these can change or vanish under the map (SIGBUS), so they are read instead.
_NETWORK = ("nfs", "cifs", "smb", "fuse.", "9p", "ceph", "lustre", "gpfs", "afs", "glusterfs", "beegfs")


class _Hasher(threading.Thread):
    """Hashes a buffer while it is being written; blake3 and write both release the GIL."""

    def __init__(self, view: memoryview) -> None:
        super().__init__(name="durable_nb-hash", daemon=True)
        self._view = view
        self.address = ""
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            digest = blake3()
            for start in range(0, len(self._view), _CHUNK):
                digest.update(self._view[start : start + _CHUNK])
            self.address = digest.hexdigest()
        except BaseException as error:  # noqa: BLE001 - raised by result(), in the caller's thread
            self.error = error

    def result(self) -> str:
        self.join()
        if self.error is not None:
            raise self.error
        return self.address


class BlobStore:
    """A folder of immutable files, each named by the blake3 of its content.

    Args:
        folder: made on first use, mode 0700.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._network = _is_network(folder)
        # Files that this process wrote or hashed, as they were then.
        self._sound: dict[str, BlobRef] = {}

    def put(self, buffer: Buffer) -> BlobRef:
        """Write a buffer durably, unless its content is there already, and return where.

        Costs one write and fsync; the hash runs beside it, and nothing is copied.

        Args:
            buffer: any contiguous buffer.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        view = pickle.PickleBuffer(buffer).raw().cast("B").toreadonly()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        hasher = _Hasher(view)
        hasher.start()
        handle, draft = tempfile.mkstemp(dir=self.folder, prefix=_DRAFT)
        try:
            kept = self._write(handle, view, hasher)
            address = hasher.result()
            if kept is None:
                Path(draft).chmod(0o400)
                Path(draft).replace(self.folder / address)
                kept = _ref(address, os.fstat(handle))
            _sync_folder(self.folder)
        finally:
            os.close(handle)
            with suppress(FileNotFoundError):
                Path(draft).unlink()
        self._sound[address] = kept
        return kept

    def _write(self, handle: int, view: memoryview, hasher: _Hasher) -> BlobRef | None:
        """Write and fsync the buffer, or stop and return the file that has the same content."""
        looked = False
        for start in range(0, len(view), _CHUNK):
            if not looked and not hasher.is_alive() and hasher.address:
                looked = True
                if (found := self._existing(hasher.address, len(view))) is not None:
                    return found
            _write_all(handle, view[start : start + _CHUNK])
        if not looked and (found := self._existing(hasher.result(), len(view))) is not None:
            return found
        os.fsync(handle)
        return None

    def _existing(self, address: str, size: int) -> BlobRef | None:
        """Return the file of this content, None when there is none or it is damaged."""
        path = self.folder / address
        try:
            found = _ref(address, path.stat())
        except FileNotFoundError:
            return None
        if found.size != size:
            return None
        # Its state is about to be signed as sound, so it has to be.
        if found == self._sound.get(address) or _hash_file(path) == address:
            return found
        return None

    def map(self, ref: BlobRef) -> memoryview:
        """Return the content as a private, writable view; the file never changes.

        Local files are mapped copy-on-write; empty ones and those on network file systems are read.

        Raises:
            CheckpointUntrusted: the file is missing, or is not what was signed.
        """
        with self._open(ref) as handle:
            self._check(ref, handle)
            if not ref.size:
                return memoryview(bytearray())
            if self._network:
                return memoryview(bytearray(_read(handle, ref.size)))
            return memoryview(mmap.mmap(handle, ref.size, access=mmap.ACCESS_COPY))

    def read(self, ref: BlobRef) -> bytes:
        """Return the content, hashed whatever the file's times say: the way in for pickle streams.

        Raises:
            CheckpointUntrusted: the file is missing, or its content is not what was signed.
        """
        with self._open(ref) as handle:
            content = _read(handle, ref.size + 1)
        if blake3(content).hexdigest() != ref.address:
            raise self._untrusted(ref, "has changed since it was written")
        return content

    def verify(self, ref: BlobRef) -> None:
        """Hash the file's content, however unchanged it looks.

        Raises:
            CheckpointUntrusted: the file is missing, or its content is not what was signed.
        """
        with self._open(ref) as handle:
            if _hash_handle(handle) != ref.address:
                raise self._untrusted(ref, "has changed since it was written")

    def unlink_unreferenced(self, keep: Iterable[str]) -> int:
        """Remove every blob whose address is not in ``keep``, and drafts; return the bytes freed.

        Maps of a removed file stay valid. Nothing may be between ``put`` and its commit meanwhile.
        """
        kept = set(keep)
        freed = 0
        if not self.folder.is_dir():
            return 0
        for path in self.folder.iterdir():
            if path.name in kept or not path.is_file():
                continue
            size = path.stat().st_size
            try:
                path.unlink()
            except OSError as error:  # Windows, while it is mapped
                _log.warning("could not remove the blob %s: %s", path, error)
                continue
            self._sound.pop(path.name, None)
            freed += size
        return freed

    def size_bytes(self) -> int:
        """Return the bytes that all blobs take."""
        return folder_bytes(self.folder)

    def _open(self, ref: BlobRef) -> _Opened:
        # The address comes from a signed row, yet a path is never built from anything else.
        if len(ref.address) != 64 or not set(ref.address) <= set("0123456789abcdef"):  # noqa: PLR2004
            raise self._untrusted(ref, "has no valid address")
        try:
            flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
            return _Opened(os.open(self.folder / ref.address, flags))
        except OSError as error:
            raise self._untrusted(ref, f"cannot be read ({error.strerror})") from error

    def _check(self, ref: BlobRef, handle: int) -> None:
        now = _ref(ref.address, os.fstat(handle))
        if now in (ref, self._sound.get(ref.address)):
            return
        if now.size != ref.size or _hash_handle(handle) != ref.address:
            raise self._untrusted(ref, "has changed since it was written")
        self._sound[ref.address] = now

    def _untrusted(self, ref: BlobRef, what: str) -> CheckpointUntrusted:
        path = self.folder / ref.address
        return CheckpointUntrusted(path, f"the blob {path} {what}: its step has to run again")


class _Opened:
    """A file descriptor that closes."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __enter__(self) -> int:
        return self._handle

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _ref(address: str, stat: os.stat_result) -> BlobRef:
    return BlobRef(address, stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns)


def _write_all(handle: int, view: memoryview) -> None:
    while view:
        view = view[os.write(handle, view) :]


def _read(handle: int, size: int) -> bytes:
    with os.fdopen(os.dup(handle), "rb") as file:
        file.seek(0)
        return file.read(size)


def _hash_handle(handle: int) -> str:
    digest = blake3()
    chunk = memoryview(bytearray(_CHUNK))
    with os.fdopen(os.dup(handle), "rb", buffering=0) as file:
        file.seek(0)
        while count := file.readinto(chunk):
            digest.update(chunk[:count])
    return digest.hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return _hash_handle(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_network(folder: Path) -> bool:
    """Return whether a folder lies on a network file system, as far as the system says."""
    mounts = Path("/proc/self/mountinfo")
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False  # not Linux
    target = os.path.realpath(folder)
    best, kind = "", ""
    for line in lines:
        fields, _, source = line.partition(" - ")
        point = fields.split(" ")[4].encode("latin1", "ignore").decode("unicode_escape")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, source.split(" ", 1)[0]
    return kind.startswith(_NETWORK)
