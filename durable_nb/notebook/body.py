"""The body of a ``%%step`` cell: compiled and run exactly as the same lines in an ordinary cell."""

from __future__ import annotations

import ast
import inspect
import types
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable_nb.errors import DurableError
from durable_nb.notebook.interrupts import interruptible, keyboard_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import CodeType

    from IPython.core.interactiveshell import InteractiveShell

MAGIC = "step"
"""The name of the cell magic."""
ASYNC_STEP_NAME = "__durable_step__"
"""What ``transform_async_step`` calls: ``await __durable_step__(spec, body)``.

The extension binds it where cells find it; ``shell.builtin_trap.auto_builtins`` keeps it out of the
user's namespace.
"""

_TRANSFORMING: ContextVar[bool] = ContextVar("durable_nb_transforming", default=False)


@dataclass(frozen=True, slots=True)
class CellBody:
    """A compiled body, ready to run.

    Attributes:
        name: the file name of its code, which tracebacks, ``linecache`` and debuggers know.
        source: what was compiled, with the line numbers of the visible cell.
        codes: one code object per statement, in order.
        is_async: whether any of them awaits at the top level; then only ``arun`` can run it.
    """

    name: str
    source: str
    codes: tuple[CodeType, ...]
    is_async: bool

    @classmethod
    def compile(cls, shell: InteractiveShell, body: str, *, raw_cell: str | None = None) -> CellBody:
        """Compile the lines below the ``%%step`` line as IPython compiles a cell.

        Call it in replayed passes too: IPython puts the transformed magic call under this file name
        before the magic runs, and only compiling the body puts the source back that
        ``inspect.getsource`` reads.

        Args:
            shell: the shell whose transformers, compiler flags and ``ast_node_interactivity`` hold.
            body: the lines below the magic's line.
            raw_cell: the whole cell as typed; debuggers derive the file name from it. Default: the
                cell that runs, from the history.

        Raises:
            SyntaxError: nothing of the body has run then.
        """
        source = _with_line_numbers_of_the_cell(body, transformed(shell, body))
        number = shell.execution_count - 1
        name = shell.compile.cache(source, number, raw_code=raw_cell or _raw_cell(shell, body))
        tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
        return cls.of(shell, tree.body, name, source)

    @classmethod
    def of(cls, shell: InteractiveShell, nodes: list[ast.stmt], name: str, source: str) -> CellBody:
        """Compile the statements of a cell that IPython has transformed and parsed.

        Args:
            shell: as for ``compile``.
            nodes: the statements.
            name: the file name that IPython gave to the cell.
            source: the cell after IPython's transform.

        Raises:
            SyntaxError: nothing of the body has run then.
        """
        codes = tuple(
            _compile_node(shell, node, name, mode) for node, mode in _modes(nodes, shell.ast_node_interactivity, source)
        )
        return cls(name, source, codes, any(_awaits(code) for code in codes))

    def run(self, shell: InteractiveShell) -> None:
        """Run it in the user's namespace; whatever it raises passes through.

        Raises:
            DurableError: the body awaits at the top level, which only ``arun`` can do.
        """
        __tracebackhide__ = "__ipython_bottom__"  # ``%debug`` goes no further up than this frame
        if self.is_async:
            raise DurableError(
                f"this %%{MAGIC} body awaits at its top level; run it as a cell of its own, not through run_cell_magic"
            )
        with shell.builtin_trap, shell.display_trap:
            for code in self.codes:
                exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102 - the user's cell

    async def arun(self, shell: InteractiveShell) -> None:
        """Run it inside the event loop of an async cell.

        ■ (SIGINT) raises KeyboardInterrupt in the body, both in its synchronous code and at an
        ``await``, where ipykernel by itself would ignore it or cancel.
        """
        __tracebackhide__ = "__ipython_bottom__"
        with shell.builtin_trap, shell.display_trap, keyboard_interrupts():
            for code in self.codes:
                if _awaits(code):
                    await _stepwise(eval(code, shell.user_global_ns, shell.user_ns))  # noqa: S307
                else:
                    with interruptible():
                        exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102


# -- compiling


def transformed(shell: InteractiveShell, body: str) -> str:
    """Return the body after IPython's transforms, with ``transform_async_step`` at rest meanwhile."""
    token = _TRANSFORMING.set(True)
    try:
        source: str = shell.transform_cell(body)
    finally:
        _TRANSFORMING.reset(token)
    return source


def _with_line_numbers_of_the_cell(body: str, source: str) -> str:
    # The transform drops leading blank lines; line 1 of the cell is the magic's own.
    lines = body.splitlines()
    blank = next((index for index, line in enumerate(lines) if line.strip()), 0)
    return "\n" * (1 + blank) + source


def _raw_cell(shell: InteractiveShell, body: str) -> str:
    history = shell.history_manager
    raw = history.input_hist_raw[-1] if history is not None and history.input_hist_raw else ""
    return raw if raw.rstrip().endswith(body.rstrip()) else body


def _modes(nodes: list[ast.stmt], interactivity: str, source: str) -> list[tuple[ast.stmt, str]]:
    """Pair each statement with its compile mode: ``single`` shows an expression's value, ``exec`` does not.

    The rules are those of ``InteractiveShell.run_ast_nodes`` (IPython 9). A trailing ``;`` makes the
    display hook neither show nor keep a value, but the hook looks for it in the history, where it
    finds our magic call; so it is settled here.
    """
    from IPython.core.displayhook import DisplayHook

    if not nodes:
        return []
    if interactivity == "last_expr_or_assign":
        nodes, interactivity = [*nodes, *_assigned(nodes[-1])], "last_expr"
    if interactivity == "last_expr":
        interactivity = "last" if isinstance(nodes[-1], ast.Expr) else "none"
    quiet = ";" in source and DisplayHook.semicolon_at_end_of_expression(source)
    shown = 0 if quiet else {"none": 0, "last": 1, "all": len(nodes)}[interactivity]
    first_shown = len(nodes) - shown
    return [(node, "single" if i >= first_shown else "exec") for i, node in enumerate(nodes)]


def _assigned(node: ast.stmt) -> list[ast.stmt]:
    target: ast.expr | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        target = node.target
    if not isinstance(target, ast.Name):
        return []
    return [ast.fix_missing_locations(ast.Expr(ast.Name(target.id, ast.Load())))]


def _compile_node(shell: InteractiveShell, node: ast.stmt, name: str, mode: str) -> CodeType:
    tree = ast.Interactive([node]) if mode == "single" else ast.Module([node], [])
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if shell.autoawait else 0
    with shell.compile.extra_flags(flags):
        code: CodeType = shell.compile(tree, name, mode)  # type: ignore[arg-type]  # trees too
    return code


def _awaits(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


# -- top-level await


def transform_async_step(lines: list[str]) -> list[str]:
    """Rewrite a ``%%step`` cell whose body awaits at its top level; leave every other cell alone.

    Append it to ``shell.input_transformers_cleanup``. A cell magic is called from a running event
    loop and cannot await, so such a cell becomes ``await __durable_step__(spec, body)``. Others stay
    magics: in an async cell Ctrl-C would not reach synchronous code. Here ``spec`` is the text after
    ``%%step`` as typed; unlike a magic's line, ``{x}`` and ``$x`` in it are not expanded.

    Args:
        lines: the cell after IPython's own clean-up, so that a magic stands on the first line.
    """
    if not lines or _TRANSFORMING.get():  # transforming a body comes through here again
        return lines
    magic, _, spec = lines[0].rstrip().partition(" ")
    body = "".join(lines[1:])
    if magic != f"%%{MAGIC}" or not awaits(body):
        return lines
    return [f"await {ASYNC_STEP_NAME}({spec!r}, {body!r})\n"]


def awaits(body: str) -> bool:
    """Say whether a cell's body awaits at its top level."""
    return ("await" in body or "async" in body) and _runs_async(body)


def _runs_async(body: str) -> bool:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return False
    try:
        return bool(shell.should_run_async(body, transformed_cell=transformed(shell, body)))
    except SyntaxError:
        return False  # the magic compiles it again and shows the error


# -- interrupts


@types.coroutine
def _stepwise(coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Await ``coroutine``, with each stretch of it between two awaits interruptible."""
    resume: Callable[[Any], Any] = coroutine.send
    value: Any = None
    while True:
        try:
            with interruptible():
                waiting_for = resume(value)
        except StopIteration as end:
            return end.value
        try:
            value = yield waiting_for
            resume = coroutine.send
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001 - cancellation too belongs to the body
            if error.__traceback__ is not None:  # this very frame, which is none of the user's
                error.with_traceback(error.__traceback__.tb_next)
            resume, value = coroutine.throw, error


# -- the value shown


def last_result(shell: InteractiveShell) -> object:
    """Return the value that the running cell showed as ``Out[n]``; None when there was none."""
    result = shell.displayhook.exec_result
    return None if result is None else result.result


def bind_result(shell: InteractiveShell, value: object) -> None:
    """Set ``Out[n]``, ``_n`` and ``_`` to ``value`` as showing it would, without showing anything."""
    hook = shell.displayhook
    hook.check_for_underscore()
    hook.update_user_ns(value)
    hook.fill_exec_result(value)
