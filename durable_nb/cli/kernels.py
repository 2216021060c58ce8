"""Which kernel runs a notebook: looked at before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.cli.command import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from nbformat import NotebookNode


def need_kernel(source: Path, notebook: NotebookNode, chosen: str) -> None:
    """See that there is a kernel for a notebook, and that it is one for Python.

    Args:
        source: path of the notebook.
        notebook: its content.
        chosen: the kernel asked for, "" for the notebook's own.

    Raises:
        CommandError: there is none.
    """
    told = notebook.metadata.get("kernelspec", {})
    language = told.get("language") or notebook.metadata.get("language_info", {}).get("name", "")
    if not chosen and not _is_python(language):
        raise CommandError(f"{source} is in {language}, and steps are for Python: run it with jupyter execute")
    name = chosen or told.get("name", "")
    if name:
        language = _language(name)
        if not _is_python(language):
            raise CommandError(f"kernel {name} is for {language}, and steps are for Python: {_choice()}")


def _is_python(language: str) -> bool:
    return not language or "python" in language.lower()


def _language(name: str) -> str:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec: Any = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        raise CommandError(f"there is no kernel {name}: {_choice()}") from None
    except Exception as error:
        why = str(error).partition("\n")[0]
        raise CommandError(f"the kernel.json of kernel {name} cannot be used ({why}): {_choice()}") from error
    return str(spec.language)


def _choice() -> str:
    from jupyter_client.kernelspec import KernelSpecManager

    others = ", ".join(sorted(KernelSpecManager().find_kernel_specs())) or "none"
    return f"choose another with --kernel (there are: {others})"
