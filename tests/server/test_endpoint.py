"""What the server tells, and whom."""

from __future__ import annotations

import json
import os
import threading

import pytest

from durable_nb.store.location import summary_path


def wait_for(what):
    pause = threading.Event()
    for _ in range(1200):
        if found := what():
            return found
        pause.wait(0.05)
    raise TimeoutError


def test_notebooks_are_listed_with_the_state_of_their_stores(server, store, root):
    """Below the root or one folder: steps, newest, size on disk, and who holds it."""
    ledger = store("listed/deep/a.ipynb")
    store("b.ipynb")
    found = server.notebooks()
    assert {"listed/deep/a.ipynb", "b.ipynb"} <= set(found)
    entry = found["listed/deep/a.ipynb"]
    assert (entry["state"], entry["steps"], entry["newest"]) == ("saved", 1, 1_700_000_001.5)
    assert (entry["bytes"], entry["pid"], entry["lives"]) == (ledger.stat().st_size, None, None)
    assert list(server.notebooks("?folder=listed")) == ["listed/deep/a.ipynb"]
    one = server.get("durable-nb/api/notebooks/listed/deep/a.ipynb").json
    assert one["path"] == "listed/deep/a.ipynb"
    assert [each["name"] for each in one["summary"]["steps"]] == ["load"]
    assert server.get("durable-nb/api/notebooks/listed/deep/none.ipynb").status == 404
    assert server.get("durable-nb/api/notebooks?folder=nowhere").status == 404


def test_a_kernel_holds_the_ledger_and_is_killed(server, root, start_kernel):
    """While a kernel holds the ledger the server tells its running step; after SIGKILL in which attempt it ended."""
    path = "held/train.ipynb"
    kernel = start_kernel(root / path)
    kernel.run("%load_ext durable_nb\nimport time, pathlib")
    kernel.run("%%step load\nrows = [1]")
    train = "%%step train --max-attempts 5 --interval-seconds 0.01\n"
    train += "if not pathlib.Path('failed').exists():\n    pathlib.Path('failed').touch()\n    raise OSError('busy')\n"
    kernel.start(train + "pathlib.Path('second').touch()\ntime.sleep(600)")
    tells = "running train, attempt 2 of 5"
    running = wait_for(lambda: (e := server.notebooks("?folder=held").get(path)) and e["tells"] == tells and e)
    assert (running["state"], running["lives"]) == ("running", True)
    assert (running["pid"], running["steps"]) == (kernel.pid, 1)
    kernel.kill()
    killed = server.notebooks("?folder=held")[path]
    assert (killed["state"], killed["lives"]) == ("interrupted", False)
    assert killed["tells"] == "the kernel ended during train, attempt 2 of 5"
    page = server.get("durable-nb?folder=held").text
    assert "the kernel ended during train, attempt 2 of 5" in page


def test_a_kernel_killed_in_a_loop(server, root, start_kernel):
    """Calls that are checkpoints are told within seconds, though no cell has ended."""
    path = "loop/loop.ipynb"
    kernel = start_kernel(root / path)
    kernel.run("%load_ext durable_nb\nimport time\nfrom durable_nb import step")
    kernel.run("@step\ndef fetch(n):\n    if n == 40: time.sleep(600)\n    return n")
    kernel.start("for n in range(100): fetch(n)")
    wait_for(lambda: (e := server.notebooks("?folder=loop").get(path)) and e["calls"] == 40 and e["attempts"])
    kernel.kill()
    killed = server.notebooks("?folder=loop")[path]
    assert (killed["state"], killed["tells"]) == ("interrupted", "the kernel ended during fetch")


# ---- whom it refuses


@pytest.mark.parametrize("path", ["durable-nb/api/notebooks", "durable-nb/api/notebooks/b.ipynb"])
@pytest.mark.parametrize("token", [None, "wrong", ""])
def test_without_the_servers_token_nothing_is_told(server, store, path, token):
    """No token and a wrong one are refused like at Jupyter's own endpoints."""
    store("b.ipynb")
    refused, jupyters = server.get(path, token=token), server.get("api/contents", token=token)
    assert (refused.status, jupyters.status) == (403, 403)
    assert "load" not in refused.text
    assert server.get(path).status == 200


@pytest.mark.parametrize("token", [None, "wrong"])
def test_the_page_asks_to_log_in(server, token):
    """As JupyterLab does: the way back is the page."""
    answer = server.get("durable-nb", token=token)
    assert answer.status == 302
    assert answer.headers["Location"].startswith("/user/me/login?next=%2Fuser%2Fme%2Fdurable-nb")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(server, store, method):
    """There is no request that changes anything."""
    ledger = store("kept.ipynb")
    before = ledger.read_bytes(), summary_path(ledger).read_bytes()
    for path in ("durable-nb", "durable-nb/api/notebooks", "durable-nb/api/notebooks/kept.ipynb"):
        assert server.get(path, method=method).status == 405
        assert server.get(path, method=method, token=None).status in (403, 405)
    assert (ledger.read_bytes(), summary_path(ledger).read_bytes()) == before


def test_an_authorizer_is_asked(start_server, root, store):
    """Who may not read the contents is refused here, too."""
    store("b.ipynb")
    config = """
from jupyter_server.auth import Authorizer

class NoContents(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "contents"

c.ServerApp.authorizer_class = NoContents
"""
    server = start_server(root, config=config)
    for path in ("api/contents", "durable-nb", "durable-nb/api/notebooks", "durable-nb/api/notebooks/b.ipynb"):
        assert server.get(path).status == 403, path
    assert server.get("api/kernels").status == 200


OUT = [
    "..",
    "../outside",
    "sub/../../outside",
    "%2e%2e/outside",
    "..%2foutside",
    "%2e%2e%2foutside",
    "%252e%252e%252foutside",
    "..%5coutside",
    "x%00",
    "x" * 5000,
    "link",
    "link/sub",
    "circle",
    ".hidden",
    ".durable_nb",
    "sub/.durable_nb",
]


@pytest.fixture
def outside(root, store):
    """A store beside the root, and links to it."""
    ledger = store("../outside/sub/secret.ipynb")
    store("../outside/secret.ipynb")
    store(".hidden/secret.ipynb")
    store("sub/seen.ipynb")
    store("sub/.secret.ipynb")
    for name, to in (("link", root.parent / "outside"), ("circle", root / "circle"), ("secret.ipynb", ledger)):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(to)
    return root.parent / "outside"


@pytest.mark.parametrize("way", OUT)
def test_nothing_outside_the_root_and_nothing_hidden_is_told(server, outside, way):
    """Not by dots, encoded or not, not by links, not by hidden names: the same answer as for what is not there."""
    missing = server.get("durable-nb/api/notebooks?folder=missing")
    for path in (f"?folder={way}", f"/{way}/secret.ipynb", f"/{way}"):
        answer = server.get(f"durable-nb/api/notebooks{path}")
        assert answer.status == missing.status == 404, path
        assert "load" not in answer.text
    assert server.get(f"durable-nb?folder={way}").status == 404


def test_no_absolute_path(server, outside):
    """A path from the file system's root is none of the server's, in no spelling."""
    for spelled in (f"{outside}", f"%2F{outside}", f"//{outside}", str(outside).replace("/", "%2F")):
        assert server.get(f"durable-nb/api/notebooks?folder={spelled}").status == 404
        assert server.get(f"durable-nb/api/notebooks/{spelled}/secret.ipynb").status == 404


def test_the_list_leaves_out_what_is_hidden_or_elsewhere(server, outside):
    """The walk follows no link and looks into no hidden folder."""
    found = server.notebooks()
    assert "sub/seen.ipynb" in found
    assert not [path for path in found if "secret" in path]
    assert server.get("durable-nb/api/notebooks/sub/.secret.ipynb").status == 404


def test_a_server_that_shows_hidden_files(start_server, root, outside):
    """Its contents manager's setting counts."""
    server = start_server(root, "--ContentsManager.allow_hidden=True")
    found = server.notebooks()
    assert {"sub/seen.ipynb", "sub/.secret.ipynb", ".hidden/secret.ipynb"} <= set(found)
    assert server.get("durable-nb/api/notebooks/.hidden/secret.ipynb").status == 200


as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")


@as_root
@pytest.mark.parametrize("what", ["ledger", "folder"])
def test_other_users_stores_are_refused(server, store, what):
    """They are counted, and nothing of them is told."""
    ledger = store(f"theirs-{what}/a.ipynb")
    os.chown(ledger if what == "ledger" else ledger.parent, 12345, -1)
    answer = server.get(f"durable-nb/api/notebooks?folder=theirs-{what}").json
    assert (answer["notebooks"], answer["refused"]) == ([], 1)
    assert server.get(f"durable-nb/api/notebooks/theirs-{what}/a.ipynb").status == 404
    assert "1 store was left out" in server.get(f"durable-nb?folder=theirs-{what}").text


@as_root
def test_a_summary_that_another_user_put_there_is_not_believed(server, store):
    """Nor one that others may write, nor one that is of another notebook."""
    by_others, open_to_others, elsewhere = (store(f"doubted/{name}.ipynb") for name in "abc")
    os.chown(summary_path(by_others), 12345, -1)
    summary_path(open_to_others).chmod(0o666)
    content = json.loads(summary_path(elsewhere).read_text())
    summary_path(elsewhere).write_text(json.dumps(content | {"notebook": "/etc/passwd"}))
    found = server.notebooks("?folder=doubted")
    assert {each["state"] for each in found.values()} == {"unknown"}
    assert {each["steps"] for each in found.values()} == {0}
    for name in "abc":
        assert server.get(f"durable-nb/api/notebooks/doubted/{name}.ipynb").json["summary"] is None
