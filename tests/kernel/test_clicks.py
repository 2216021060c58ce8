"""Clicks and ■ reach a kernel of ipykernel 7 and one of ipykernel 6 while a cell waits in a backoff."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from driver import PATIENCE_SECONDS, ROOT
from scenes import kernel_in

SOON = 2.0
"""Seconds from a click to what it asks for; the backoffs here are 30 s."""
OLD_PYTHON = ROOT / ".venv-ipykernel6" / "bin" / "python"
PYTHONS = {"7": Path(sys.executable), "6": OLD_PYTHON}

PANEL = """
import asyncio, time
from comm import create_comm
from durable_nb.notebook.extension import extension_of

extension = extension_of(get_ipython())
handled, waits, ends = [], [], []

def button(name):
    # what a widget is on the wire; a click says which of the waits it ends, and how
    comm = create_comm(target_name=name)
    def clicked(message):
        handled.append((name, message['content']['data'].get('number')))
        if waits:
            getattr(waits[-1], message['content']['data']['kind'])()
    comm.on_msg(clicked)
    return comm

ours, foreign = button('ours'), button('foreign')
extension.clicks.unpin(ours)

def on_event(event):
    if event.kind == 'attempt_failed':
        waits.append(event.wake)
        print('waiting')
    elif event.kind in ('interrupted', 'failed', 'completed'):
        ends.append(time.time())
extension.bus.subscribe(on_event)

flaky = dict(retries_allowed=True, max_attempts=2, interval_seconds=30)
def attempt(name):
    if tally.nth(name) < 2:
        raise ValueError('not yet')
@step(**flaky)
def sync_step(name):
    attempt(name)
@step(**flaky)
async def async_step(name):
    attempt(name)
async def in_task(name):
    sync_step(name)
ours.comm_id, foreign.comm_id
"""
WAITING = {
    "sync": "%%step cell-{n} --max-attempts 2 --interval-seconds 30\nattempt('{n}')",
    "sync call": "sync_step('{n}')",
    "async": "%%step cell-{n} --max-attempts 2 --interval-seconds 30\nawait asyncio.sleep(0)\nattempt('{n}')",
    "async call": "await async_step('{n}')",
    "sync in async": "await asyncio.sleep(0)\nsync_step('{n}')",
    "gather": "await asyncio.gather(async_step('{n}'), asyncio.sleep(0.1))",
    "sync in gather": "await asyncio.gather(in_task('{n}'), asyncio.sleep(0.1))",
}
numbers = iter(range(10_000))


class Panel:
    """A kernel whose cells wait, and the comms of its buttons."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.ours, self.foreign = eval(kernel.run(PANEL, "panel").outputs[-1]["data"]["text/plain"])

    def click(self, kind, comm_id=None, subshell=None, **data):
        """Send what a front end sends for a click; return its id."""
        session = self.kernel.client.session
        message = session.msg("comm_msg", {"comm_id": comm_id or self.ours, "data": {"kind": kind, **data}})
        if subshell:
            message["header"]["subshell_id"] = subshell
        self.kernel.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def subshell(self):
        """Make a subshell, as JupyterLab does for comms; return its id."""
        client = self.kernel.client
        client.control_channel.send(client.session.msg("create_subshell_request"))
        return client.get_control_msg(timeout=PATIENCE_SECONDS)["content"]["subshell_id"]

    def wait_in(self, how):
        """Run a cell up to its backoff."""
        running = self.kernel.start(WAITING[how].format(n=next(numbers)), f"cell-{next(numbers)}")
        self.kernel.wait_for(running, "waiting")
        return running

    def ended(self):
        """Return when the last step ended, by its own clock."""
        return float(self.kernel.run("ends[-1]").text)

    def replies(self, last):
        """Return (request id, content) of the shell replies up to that of the request ``last``."""
        found = []
        while not found or found[-1][0] != last:
            reply = self.kernel.client.get_shell_msg(timeout=PATIENCE_SECONDS)
            found.append((reply["parent_header"]["msg_id"], reply["content"]))
        return found


@pytest.fixture(scope="module", params=PYTHONS)
def panel(request, tmp_path_factory):
    """A panel on each ipykernel."""
    python = PYTHONS[request.param]
    assert python.exists(), f"{python} is missing: run .ci/ipykernel6, as make test does"
    with kernel_in(tmp_path_factory.mktemp("clicks"), python=str(python)) as kernel:
        assert kernel.run("import ipykernel\nipykernel.__version__[0]").text == f"'{request.param}'"
        yield Panel(kernel)


@pytest.mark.parametrize("how", WAITING)
def test_a_click_ends_a_backoff(panel, how):
    """*Retry now* in a backoff of 30 s: the next attempt is made within 2 s of the click, in every kind of cell."""
    running = panel.wait_in(how)
    clicked = time.time()
    panel.click("retry_now")
    result = panel.kernel.finish(running)
    assert result.status == "ok", result.error
    assert panel.ended() - clicked < SOON


@pytest.mark.parametrize("panel", ["7"], indirect=True)
@pytest.mark.parametrize("how", WAITING)
def test_a_click_by_a_subshell_ends_a_backoff(panel, how):
    """The same where the front end sends comm messages to a subshell, as JupyterLab does by default."""
    subshell = panel.subshell()
    running = panel.wait_in(how)
    clicked = time.time()
    panel.click("retry_now", subshell=subshell)
    result = panel.kernel.finish(running)
    assert result.status == "ok", result.error
    assert panel.ended() - clicked < SOON


@pytest.mark.parametrize("panel", ["7"], indirect=True)
def test_a_click_while_the_main_thread_is_busy(panel):
    """A subshell hands a click on by itself, though ipykernel 7.4 pins a comm to the shell that made it."""
    subshell = panel.subshell()
    in_thread = f"import threading\ncall = threading.Thread(target=sync_step, args=['{next(numbers)}'])"
    running = panel.kernel.start(f"{in_thread}\ncall.start()\ncall.join()", "thread")
    panel.kernel.wait_for(running, "waiting")
    clicked = time.time()
    panel.click("retry_now", subshell=subshell)
    assert panel.kernel.finish(running).status == "ok"
    assert panel.ended() - clicked < SOON


@pytest.mark.parametrize("how", WAITING)
def test_interrupting_a_backoff(panel, how):
    """■ in a backoff of 30 s ends step and cell within 2 s, in every kind of cell, and the kernel lives on."""
    running = panel.wait_in(how)
    pressed = time.time()
    panel.kernel.interrupt()
    result = panel.kernel.finish(running)
    cancels = how in {"async call", "sync in async", "gather", "sync in gather"}  # as in any await of an async cell
    assert result.error_name == ("CancelledError" if cancels else "KeyboardInterrupt")
    assert panel.ended() - pressed < SOON
    assert panel.kernel.run("1 + 1").text == "2"
    after = panel.kernel.run("import signal\nsignal.getsignal(signal.SIGINT) is signal.default_int_handler")
    assert after.text == "True"


OURS_TO_HAND_ON = [("7", "sync"), ("7", "sync in async"), ("6", "sync"), ("6", "async call"), ("6", "sync in async")]
"""Where a message waits for us; the event loop of an async cell hands on any comm message itself in ipykernel 7.4."""


@pytest.mark.parametrize(("panel", "how"), OURS_TO_HAND_ON, indirect=["panel"])
def test_others_keep_their_order(panel, how):
    """Requests and foreign comms that arrive in a backoff are dealt with after the cell, once each, in their order."""
    kernel, client = panel.kernel, panel.kernel.client
    kernel.run("handled.clear()")
    running = panel.wait_in(how)
    sent = [running.request]
    clicks = []
    for number in range(3):
        sent.append(kernel.start(f"handled.append('cell {number}')").request)
        clicks.append(panel.click("retry_now", panel.foreign, number=number))
        sent.append(client.kernel_info())
    clicks.append(panel.click("retry_now", number=3))
    sent.append(kernel.start("handled.append('last')").request)
    replies = panel.replies(sent[-1])
    assert [request for request, _ in replies] == sent
    assert {content["status"] for _, content in replies} == {"ok"}
    statuses = _statuses(client, sent[-1])
    for request in clicks:
        assert statuses.get(request) == ["busy", "idle"]
    expected = ["('ours', 3)"]
    for number in range(3):
        expected += [f"'cell {number}'", f"('foreign', {number})"]
    assert kernel.run("print(handled)").text.strip() == f"[{', '.join([*expected, repr('last')])}]"


@pytest.mark.parametrize("how", ["sync", "sync call"])
def test_a_click_without_a_store(panel, how):
    """The same while steps are not recorded."""
    panel.kernel.run("%config DurableNB.enabled = False")
    running = panel.wait_in(how)
    clicked = time.time()
    panel.click("retry_now")
    assert panel.kernel.finish(running).status == "ok"
    assert panel.ended() - clicked < SOON
    panel.kernel.run("%config DurableNB.enabled = True")


def test_stop_and_what_was_queued(panel):
    """*Stop* in a backoff raises the step's own error within 2 s; queued cells are aborted, later ones run."""
    running = panel.wait_in("sync")
    queued = [panel.kernel.start("handled.append('never')").request for _ in range(3)]
    clicked = time.time()
    panel.click("stop")
    result = panel.kernel.finish(running)
    assert (result.error_name, result.error.rstrip().endswith("ValueError: not yet")) == ("ValueError", True)
    replies = panel.replies(queued[-1])
    assert [(request, content["status"]) for request, content in replies] == [(each, "aborted") for each in queued]
    assert panel.ended() - clicked < SOON
    assert panel.kernel.run("'never' in handled").text == "False"


@pytest.mark.parametrize(("panel", "how"), OURS_TO_HAND_ON, indirect=["panel"])
def test_the_kernel_is_busy_until_the_cell_is_done(panel, how):
    """A click that is handed on does not make a kernel look idle that runs a cell: a server would cull it."""
    running = panel.wait_in(how)
    click = panel.click("no_verdict")  # the handler fails, and the wait goes on
    states = []
    while states[-1:] != [(running.request, "busy")]:
        message = panel.kernel.client.get_iopub_msg(timeout=PATIENCE_SECONDS)
        if message["msg_type"] == "status":
            states.append((message["parent_header"]["msg_id"], message["content"]["execution_state"]))
    assert states == [(click, "busy"), (click, "idle"), (running.request, "busy")]
    panel.click("retry_now")
    assert panel.kernel.finish(running).status == "ok"


def test_without_what_it_needs(panel):
    """An ipykernel without the attributes: clicks do not work, which is logged, and the step is not harmed."""
    kernel = panel.kernel
    assert kernel.run("extension.clicks.works").text == "True"
    kernel.run("extension.clicks._mail._stream = None")
    result = kernel.run("%%step short --max-attempts 2 --interval-seconds 0.3\nattempt('short')", "short")
    assert (result.status, "clicks cannot be handed on any more" in result.text) == ("ok", True)
    assert kernel.run("extension.clicks.works").text == "False"
    unknown = "from durable_nb.notebook.clicks import Clicks\nClicks(type('Shell', (), {'kernel': object()})).works"
    assert kernel.run(unknown).text == "False"
    kernel.run("extension.clicks.__init__(get_ipython())\nextension.clicks.unpin(ours)")


def _statuses(client, last):
    """Return the execution states that were told of each request, up to the end of ``last``."""
    found = {}
    while found.get(last, [])[-1:] != ["idle"]:
        message = client.get_iopub_msg(timeout=PATIENCE_SECONDS)
        if message["msg_type"] == "status":
            found.setdefault(message["parent_header"].get("msg_id"), []).append(message["content"]["execution_state"])
    return found
