"""IPython shells in forked processes: everything is imported once, each shell starts in milliseconds, SIGKILL ends it.

The client asks the server for a fork over a socket, hands it one end of another socket, and talks to the shell
through that. Nothing opens DuckDB before a fork.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path

HERE = Path(__file__).parent
TICK = "tick"
"""The audit event by which a cell says that its body really runs."""


@dataclass
class Shown:
    """What one cell did.

    Attributes:
        text: what it wrote and showed.
        error: type and message of what it raised, "" when it did not.
        lines: the extension's own lines.
        ticks: how often its body really ran.
        before: the names it mentions as text, before it ran.
        unchanged: whether those of them that were bound then have the same text after it.
        notebook: the whole namespace as text, afterwards.
    """

    text: str
    error: str
    lines: list[str]
    ticks: int
    before: str
    unchanged: bool
    notebook: dict[str, str]


# What loading the extension and its first step import.
PRELOADED = (
    "durable_nb.notebook.extension",
    "durable_nb.store.ledger",
    "duckdb",
    "jupyter_client.jsonutil",
    "snapshot",
)


class Died(Exception):
    """The process of the shell is gone."""


class Server:
    """A process that forks shells; ``hash_seed`` orders sets of text in all of them."""

    def __init__(self, folder, hash_seed):
        self._ours, theirs = socket.socketpair()
        environment = os.environ | {
            "DURABLE_NB_KEY_FILE": str(folder / "key"),
            "IPYTHONDIR": str(folder / ".ipython"),
            "PYTHONHASHSEED": str(hash_seed),
            "OPENBLAS_NUM_THREADS": "1",  # a fork takes no threads with it
        }
        command = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, cwd=folder)
        theirs.close()

    def shell(self, folder, *, durable):
        """Fork a shell whose working directory is ``folder``."""
        ours, theirs = socket.socketpair()
        request = f"{int(durable)}{folder}".encode()
        socket.send_fds(self._ours, [request], [theirs.fileno()])
        theirs.close()
        pid = int(self._ours.recv(32))
        return Shell(pid, Connection(ours.detach()))

    def close(self):
        """End the server; shells end when they lose their client."""
        self._ours.close()
        self._process.wait(timeout=60)


class Shell:
    """A forked IPython shell, with or without the extension."""

    def __init__(self, pid, connection):
        self.pid = pid
        self._connection = connection

    def run(self, code, cell_id, mentions=()):
        """Run a cell.

        Raises:
            Died: it killed its process.
        """
        return self._ask("run", code, cell_id, sorted(mentions))

    def die_at(self, point):
        """Let the next step that gets to ``point`` kill the process: ``tick`` or a point of ``crash_at``."""
        return self._ask("die_at", point)

    def kill(self):
        """SIGKILL the process, if it lives, and wait until it is gone."""
        if self._connection.closed:
            return
        os.kill(self.pid, signal.SIGKILL)
        with suppress(EOFError, OSError):
            while True:
                self._connection.recv()
        self._connection.close()

    def _ask(self, *request):
        try:
            self._connection.send(request)
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._connection.close()
            raise Died from None
        if isinstance(answer, BaseException):
            raise answer
        return answer


# -- in the server


def _serve(requests):
    for name in PRELOADED:
        import_module(name)

    shell = _make_shell()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the shells
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, 4096, 1)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.chdir(request[1:])
            _Forked(shell, Connection(descriptors[0]), durable=request[:1] == b"1").serve()
        os.close(descriptors[0])
        requests.send(str(pid).encode())


def _make_shell():
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    quiet = {"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}}
    return InteractiveShell.instance(config=Config(quiet))


class _Forked:
    """What runs in a fork: answers requests until the client is gone."""

    def __init__(self, shell, connection, *, durable):
        self._shell, self._connection = shell, connection
        self._ticks = 0
        self._dies_at_tick = False
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process lives
        os.dup2(self._said.fileno(), 2)  # where the extension's lines go in a terminal
        sys.addaudithook(self._hear)
        shell.showtraceback = lambda *args, **kwargs: None
        shell.run_cell("%load_ext durable_nb" if durable else "pass", store_history=True)
        self._durable = durable

    def _hear(self, event, args):
        if event == TICK:
            self._ticks += 1
            if self._dies_at_tick:
                os.kill(os.getpid(), signal.SIGKILL)

    def serve(self):
        while True:
            try:
                name, *arguments = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)
            try:
                answer = getattr(self, name)(*arguments)
            except BaseException as error:
                answer = error
            self._connection.send(answer)

    def run(self, code, cell_id, mentions):
        import snapshot

        names, shell = self._shell.user_ns, self._shell
        before, since, spoken = snapshot.of_names(names, mentions), self._ticks, self._said.seek(0, os.SEEK_END)
        bound = [name for name in mentions if name in names]
        known = snapshot.of_names(names, bound)
        with redirect_stdout(StringIO()) as out:
            result = shell.run_cell(code, store_history=True, cell_id=cell_id)
        error = result.error_before_exec or result.error_in_exec
        self._said.seek(spoken)
        return Shown(
            text=snapshot._ADDRESS.sub("0x", out.getvalue()),
            error=f"{type(error).__name__}: {error}" if error is not None else "",
            lines=[line for line in self._said.read().decode().splitlines() if line],
            ticks=self._ticks - since,
            before=before,
            unchanged=snapshot.of_names(names, bound) == known,
            notebook=snapshot.of_notebook(names, shell.user_ns_hidden),
        )

    def die_at(self, point):
        from durable_nb.testing import crash_at

        if point == TICK:
            self._dies_at_tick = True
        elif self._durable:
            crash_at(point)


if __name__ == "__main__":
    # under its own name, so that what is sent unpickles on the other side
    sys.path.insert(0, str(HERE))
    import fork_server

    fork_server._serve(socket.socket(fileno=int(sys.argv[1])))
