"""A kernel that was forked, at a restart, right before one or before its pod was claimed, is like a new process."""

from __future__ import annotations

import io
import json
import os
import runpy
import signal
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from fixtures.ipykernels import (
    BUSY,
    IPYKERNEL,
    bind,
    client_of,
    reply_to,
    restart,
    restart_as_expected,
    run,
    wait_for_stream,
)
from fixtures.supervisors import DEADLINE_SECONDS, KEY, TOKEN, Container, Operator, Supervise, eventually

Kernel = tuple[Container, BlockingKernelClient]


@pytest.fixture
def kernel_process(supervise: Supervise, operator: Operator, pid_namespace: tuple[str, ...]) -> Iterator[Kernel]:
    """A kernel in its first, new process, and its client."""
    container = supervise(IPYKERNEL, operator=operator, prefix=pid_namespace, restartGraceSeconds=0.1)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        yield container, client


@pytest.fixture
def claimed(supervise: Supervise, operator: Operator, pid_namespace: tuple[str, ...]) -> Iterator[Kernel]:
    """A kernel that was initialised before it had a key, and its client."""
    container = supervise(
        IPYKERNEL, operator=operator, prefix=pid_namespace, key=None, member=1, restartGraceSeconds=0.1
    )
    operator.wait("waiting")
    folder = container.folder / "of its own"
    folder.mkdir()
    answer = bind(container, generation=1, env={"JPY_SESSION_NAME": "a.ipynb"}, working_dir=str(folder))
    assert answer["state"] == "running", "it was not waiting for this"
    with client_of(container) as client:
        yield container, client


@pytest.fixture
def restarted(kernel_process: Kernel) -> Kernel:
    """A kernel that was forked at a restart, and its client."""
    restart(*kernel_process)
    return kernel_process


@pytest.fixture
def expected(kernel_process: Kernel) -> Kernel:
    """A kernel that was initialised before the last one had ended, and its client."""
    restart_as_expected(*kernel_process)
    return kernel_process


@pytest.fixture(params=["restarted", "expected", "claimed"])
def forked(request: pytest.FixtureRequest) -> Kernel:
    """A kernel that was forked, and its client."""
    kernel: Kernel = request.getfixturevalue(request.param)
    return kernel


PROBE = """
import asyncio, faulthandler, gc, json, locale, logging, os, resource, signal, subprocess, sys, threading, warnings
while frames[-1].f_back:
    frames.append(frames[-1].f_back)
top = next(f.f_globals for f in frames if str(f.f_globals.get("__file__")).endswith("ipykernel_launcher.py"))
main = sys.modules["__main__"]
shell, app = get_ipython(), get_ipython().parent.parent
NO_DIGITS = str.maketrans("", "", "0123456789")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "argv": [sys.argv, sys.orig_argv, open("/proc/self/cmdline").read()],
    "program": [open("/proc/self/comm").read(), os.readlink("/proc/self/exe"), sys.executable, sys.prefix],
    "options": [str(sys.flags), sys.warnoptions, str(sys._xoptions), sys.dont_write_bytecode],
    "path": sys.path,
    "main": [main.__name__, repr(main.__spec__), main.__doc__, hasattr(main, "__file__")],
    "launcher": [top["__name__"], top["__spec__"].name, top["__spec__"].origin, top["__file__"], top["__package__"]],
    "folder": [os.getcwd(), os.umask(0o22), os.umask(0o22)],
    "limits": [resource.getrlimit(n) for n in range(16)],
    "priority": [os.nice(0), os.sched_getscheduler(0), sorted(os.sched_getaffinity(0))],
    "signals": [repr(signal.getsignal(n)).partition(" at ")[0] for n in range(1, 65)],
    "signals in the system": [status[name] for name in ("SigBlk", "SigIgn", "SigCgt")],
    "session": [os.getpid() == os.getpgrp() == os.getsid(0), os.getppid(), status["NoNewPrivs"], status["CapEff"]],
    "out of memory": open("/proc/self/oom_score_adj").read(),
    "faulthandler": faulthandler.is_enabled(),
    "locale": [locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding(), locale.getencoding()],
    "streams": [
        [s.encoding, s.errors, s.line_buffering, s.fileno(), s.isatty(), s.closed]
        for s in (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    ],
    "stdin": os.readlink("/proc/self/fd/0"),
    "env": dict(os.environ),
    "env of children": sorted(subprocess.check_output(["env"], text=True).split("\\n")),
    "threads": sorted((t.name.translate(NO_DIGITS), t.daemon) for t in threading.enumerate()),
    "main thread": [threading.main_thread().name, threading.main_thread().ident == threading.get_ident()],
    "garbage": [gc.isenabled(), gc.get_threshold(), gc.get_debug()],
    "interpreter": [sys.getrecursionlimit(), sys.getswitchinterval(), sys.getdlopenflags()],
    "warnings": [repr(f) for f in warnings.filters],
    "loop": type(asyncio.get_event_loop_policy()).__name__,
    "logging": [repr(h) for h in logging.getLogger().handlers],
    "IPython": [
        shell.starting_dir, list(map(str, shell.user_ns["_dh"])), shell.user_ns.get("__session__"),
        sorted({name.translate(NO_DIGITS) for name in shell.user_ns_hidden}), sorted(shell.extension_manager.loaded),
        shell.history_manager.save_thread.is_alive(),
    ],
    "ipykernel": [app.connection_file, app.ip, app._ports, app.session.signature_scheme],
    "replaced": [
        [name, vars(kind)[name].__code__.co_filename]
        for kind, names in ((type(app), dir(type(app))), (threading.Thread, ["start"]))
        for name in names if hasattr(vars(kind).get(name), "__code__")
    ],
    "hooks": [sys.excepthook.__name__, sys.unraisablehook.__name__, sys.gettrace() is None, sys.getprofile() is None],
}))
"""


def facts(client: BlockingKernelClient) -> dict[str, Any]:
    """What a kernel finds out about its process."""
    below = (
        "import asyncio, sys; frames = []; asyncio.get_event_loop().call_soon(lambda: frames.append(sys._getframe()))"
    )
    run(client, below)
    found: dict[str, Any] = json.loads(run(client, PROBE))
    return found


@pytest.mark.parametrize("how", [restart, restart_as_expected])
def test_it_looks_like_a_new_process(kernel_process: Kernel, how: Callable[..., None]) -> None:
    container, client = kernel_process
    new = facts(client)
    how(container, client)
    forked = facts(client)
    assert [(name, value, new[name]) for name, value in forked.items() if value != new[name]] == []


def test_one_that_was_initialised_before_its_claim_looks_like_a_new_process(claimed: Kernel) -> None:
    container, client = claimed
    forked = facts(client)
    pid = container.request("status")["zygote"]["pid"]  # in its own namespace: the kernel can end it, and nobody else
    run(client, f"import os; os.kill({pid}, 9)")
    eventually(lambda: container.request("status")["zygote"] is None, "no process that forks")
    restart(container, client, forked=False)
    new = facts(client)
    assert [(name, value, new[name]) for name, value in forked.items() if value != new[name]] == []


RANDOM = """
import random, secrets, ssl, tempfile, uuid, os
import multiprocessing
print(random.random(), uuid.uuid4(), tempfile._get_candidate_names().rng.random(), secrets.token_hex(4),
      ssl.RAND_bytes(8).hex(), multiprocessing.current_process().authkey.hex())
try:
    import numpy
    print(numpy.random.rand(), numpy.random.default_rng().random())
except ImportError:
    pass
"""


@pytest.mark.parametrize("preload", ["", "numpy.random multiprocessing tempfile"])
def test_two_of_them_draw_different_numbers(supervise: Supervise, operator: Operator, preload: str) -> None:
    container = supervise(IPYKERNEL, operator=operator, preload=preload)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        drawn = []
        for how in (restart, restart, restart_as_expected, restart_as_expected):
            how(container, client)
            drawn += run(client, RANDOM).split()
        assert len(set(drawn)) == len(drawn)


def test_exit_code(forked: Kernel, operator: Operator) -> None:
    container, client = forked
    client.execute("import os; os._exit(7)")
    exited = operator.wait("exited", generation=1)
    assert (exited["exitCode"], exited["signal"]) == (7, None)
    assert container.wait() == 7


def test_shutdown_runs_what_is_to_run_at_exit(forked: Kernel, operator: Operator) -> None:
    container, client = forked
    run(client, "import atexit, os; atexit.register(os.write, 1, b'at exit\\n')")
    client.shutdown()
    assert operator.wait("exited", generation=1)["exitCode"] == 0
    assert container.wait() == 0
    assert "at exit\n" in container.output()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_signal_that_ends_it(forked: Kernel, operator: Operator, number: int) -> None:
    container, client = forked
    client.execute(f"import os; os.kill(os.getpid(), {number})")
    exited = operator.wait("exited", generation=1)
    assert (exited["exitCode"], exited["signal"]) == (None, number)
    assert container.wait() == 128 + number


def test_interrupt_reaches_it_and_its_children(forked: Kernel) -> None:
    container, client = forked
    asked = client.execute(BUSY, stop_on_error=False)  # or what comes right after it is aborted, too
    wait_for_stream(client, "busy")
    assert container.request("signal", signum=signal.SIGINT) == {"ok": True, "delivered": True}
    assert reply_to(client, asked)["ename"] == "KeyboardInterrupt"
    assert run(client, "print(child.wait())") == f"{-signal.SIGINT}\n"


def test_what_it_prints_is_in_the_log_and_no_zombie_is_left(forked: Kernel) -> None:
    container, client = forked
    run(client, "import os, sys; os.write(1, b'low level\\n'); print('raw', file=sys.__stderr__, flush=True)")
    run(client, "os.system('echo child')")
    for text in ("low level\n", "raw\n", "child\n"):
        container.wait_for_output(text)
    run(client, "import subprocess; subprocess.Popen('(sleep 0.01 &)', shell=True).wait()")
    code = """
import contextlib, glob, time
def left():
    found = []
    for path in glob.glob('/proc/[0-9]*/stat'):
        with contextlib.suppress(OSError):  # it has just ended
            name, state = open(path).read().partition('(')[2].rpartition(')')[::2]
            if name == 'sleep' or state.split()[0] == 'Z':
                found.append(name)
    return found
for _ in range(1000):
    found = left()
    if not found: break
    time.sleep(0.01)
print(found)
"""
    assert run(client, code) == "[]\n"


def test_subprocess_input_and_pipes(forked: Kernel) -> None:
    _, client = forked
    code = """
import subprocess, sys
reverse = [sys.executable, "-c", "print(input()[::-1])"]
print(subprocess.run(reverse, input="abc", text=True, capture_output=True).stdout)
print(subprocess.run(["cat"], capture_output=True).stdout)
"""
    assert run(client, code) == "cba\n\nb''\n"
    assert run(client, "!echo from a shell") == "from a shell\r\n"


def folder_of(client: BlockingKernelClient) -> Path:
    """A kernel's working directory."""
    return Path(run(client, "import os; print(os.getcwd())").strip())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(forked: Kernel, method: str) -> None:
    _, client = forked
    (folder_of(client) / "work.py").write_text("def twice(x):\n    return 2 * x\n")
    code = f"""
import multiprocessing, warnings, work
warnings.simplefilter("ignore")
context = multiprocessing.get_context({method!r})
with context.Pool(2) as pool:
    print(pool.map(work.twice, range(3)))
manager = context.Manager()
shared = manager.dict(a=1)
print(dict(shared)); manager.shutdown()
"""
    assert run(client, code) == "[0, 2, 4]\n{'a': 1}\n"


def test_threads_and_executors(forked: Kernel) -> None:
    _, client = forked
    code = """
import asyncio, threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
with ThreadPoolExecutor(4) as threads, ProcessPoolExecutor(2) as processes:
    print(sum(threads.map(abs, range(-3, 0))), list(processes.map(abs, [-1, -2])))
print(await asyncio.to_thread(threading.current_thread) is not threading.main_thread())
process = await asyncio.create_subprocess_exec("true"); print(await process.wait())
"""
    assert run(client, code) == "6 [1, 2]\nTrue\n0\n"


def test_autoreload(forked: Kernel) -> None:
    _, client = forked
    module = folder_of(client) / "changing.py"
    module.write_text("def answer():\n    return 'old'\n")
    run(client, "%load_ext autoreload\n%autoreload 2\nimport changing")
    assert run(client, "print(changing.answer())") == "old\n"
    module.write_text("def answer():\n    return 'new, and longer'\n")
    os.utime(module, (2e9, 2e9))
    assert run(client, "print(changing.answer())") == "new, and longer\n"


def test_debugger(forked: Kernel) -> None:
    """A breakpoint in a cell, as JupyterLab sets it."""
    _, client = forked
    sequence = iter(range(1, 100))

    def request(command: str, **arguments: Any) -> dict[str, Any]:
        content = {"type": "request", "command": command, "seq": next(sequence), "arguments": arguments}
        client.control_channel.send(client.session.msg("debug_request", content))
        while True:
            reply = client.get_control_msg(timeout=DEADLINE_SECONDS)
            if reply["content"].get("command") == command:
                answer: dict[str, Any] = reply["content"]
                return answer

    def event(name: str) -> dict[str, Any]:
        while True:
            message = client.get_iopub_msg(timeout=DEADLINE_SECONDS)
            if message["msg_type"] == "debug_event" and message["content"].get("event") == name:
                content: dict[str, Any] = message["content"]
                return content

    code = "def f(x):\n    y = x + 1\n    return y\nprint(f(41))"
    assert request("initialize", clientID="test", adapterID="", pathFormat="path", linesStartAt1=True)["success"]
    assert request("attach")["success"]
    path = request("dumpCell", code=code)["body"]["sourcePath"]
    assert request("setBreakpoints", source={"path": path}, breakpoints=[{"line": 2}])["success"]
    assert request("configurationDone")["success"]
    asked = client.execute(code)
    thread = event("stopped")["body"]["threadId"]
    frame = request("stackTrace", threadId=thread)["body"]["stackFrames"][0]
    assert (frame["name"], frame["line"]) == ("f", 2)
    assert request("continue", threadId=thread)["success"]
    assert reply_to(client, asked)["status"] == "ok"
    assert request("disconnect", restart=False, terminateDebuggee=True)["success"]


@pytest.mark.parametrize("how", [restart, restart_as_expected])
def test_environment_of_a_renamed_notebook(kernel_process: Kernel, how: Callable[..., None]) -> None:
    container, client = kernel_process
    code = """
import os, time
print(os.environ.get('JPY_SESSION_NAME'), time.strftime('%z'), os.popen('echo $JPY_SESSION_NAME').read().strip())
"""
    seen = []
    for env in ({"JPY_SESSION_NAME": "a.ipynb"}, {"JPY_SESSION_NAME": "b.ipynb", "TZ": "UTC-5"}, {}):
        how(container, client, env=env)
        seen.append(run(client, code))
    assert seen == ["a.ipynb +0000 a.ipynb\n", "b.ipynb +0500 b.ipynb\n", "None +0000 \n"]


def test_first_plot_of_a_preloaded_library(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator, preload="matplotlib.pyplot numpy")
    operator.wait("running", generation=0)
    with client_of(container) as client:
        restart(container, client)
        images: list[dict[str, Any]] = []

        def keep(message: dict[str, Any]) -> None:
            if message["msg_type"] == "display_data":
                images.append(message["content"]["data"])

        code = "import matplotlib.pyplot as plt, numpy; plt.plot(numpy.ones((400, 400)) @ numpy.ones(400))"
        client.execute_interactive(code, timeout=DEADLINE_SECONDS, output_hook=keep)
        assert [sorted(data) for data in images] == [["image/png", "text/plain"]]
        code = "import matplotlib, os; print(matplotlib.get_backend(), os.environ['MPLBACKEND'])"
        inline = "module://matplotlib_inline.backend_inline"
        assert run(client, code) in (f"{inline} {inline}\n", f"inline {inline}\n")


THREADS_OF_BLAS = """
import numpy, os
x = numpy.ones((1500, 1500)); before = len(os.listdir("/proc/self/task")); x @ x
print(len(os.listdir("/proc/self/task")), float((x @ x)[0, 0]))
"""


def test_preloaded_numpy_computes_with_all_cores(supervise: Supervise, operator: Operator) -> None:
    """OpenBLAS has threads from its import on, which do not live through a fork."""
    container = supervise(IPYKERNEL, operator=operator, preload="numpy")
    operator.wait("running", generation=0)
    with client_of(container) as client:
        new = run(client, THREADS_OF_BLAS)
        restart(container, client)
        assert run(client, THREADS_OF_BLAS) == new


def test_neither_token_nor_key_is_in_the_process_that_forks(forked: Kernel) -> None:
    container, client = forked
    pid = container.request("status")["zygote"]["pid"]
    hexadecimal = [secret.encode().hex() for secret in (KEY, TOKEN)]  # or they would be in the cell
    code = f"""
seen = open('/proc/{pid}/environ', 'rb').read() + open('/proc/{pid}/cmdline', 'rb').read()
with open('/proc/{pid}/mem', 'rb', 0) as memory:
    for line in open('/proc/{pid}/maps'):
        start, end = (int(x, 16) for x in line.split()[0].split('-'))
        if line.split()[1].startswith('rw'):
            memory.seek(start)
            seen += memory.read(end - start)
print(len(seen) > 1000000, [bytes.fromhex(secret) in seen for secret in {hexadecimal}], b'ipykernel' in seen)
"""
    assert run(client, code) == "True [False, False] True\n"


SUITE = Path(__file__).parents[2] / "e2e" / "kernel_suites" / "python_suite.py"


def test_the_suite_of_jupyter_kernel_test(forked: Kernel) -> None:
    class OfAForkedKernel(runpy.run_path(str(SUITE))["PythonKernel"]):  # type: ignore[misc]
        @classmethod
        def setUpClass(cls) -> None:
            cls.kc = forked[1]

        @classmethod
        def tearDownClass(cls) -> None:
            """The fixture's kernel goes on."""

    said = io.StringIO()
    result = unittest.TextTestRunner(said).run(unittest.defaultTestLoader.loadTestsFromTestCase(OfAForkedKernel))
    assert result.wasSuccessful(), said.getvalue()
    assert result.testsRun == 12
