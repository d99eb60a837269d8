"""What of a kernel's last output a cell has room for."""

from kubernel_provisioner.launch.last_output import LINES, shortened

DUMP = """\
libfoo: 3 devices
Fatal Python error: Segmentation fault

Thread 0x00007f4cd8d9a6c0 (most recent call first):
  File "/usr/lib/python3.12/site-packages/ipykernel/parentpoller.py", line 62 in run
  File "/usr/lib/python3.12/threading.py", line 1045 in _bootstrap_inner

Current thread 0x00007f4ced641b80 (most recent call first):
  File "/usr/lib/python3.12/ctypes/__init__.py", line 519 in string_at
  File "/tmp/ipykernel_17/893008550.py", line 1 in <module>
  File "/usr/lib/python3.12/site-packages/IPython/core/interactiveshell.py", line 3823 in run_code
  File "/usr/lib/python3.12/site-packages/ipykernel/zmqshell.py", line 686 in run_cell

Extension modules: zmq.backend.cython._zmq, tornado.speedups (total: 2)
"""
CURRENT = [
    "Current thread 0x00007f4ced641b80 (most recent call first):",
    '  File "/usr/lib/python3.12/ctypes/__init__.py", line 519 in string_at',
    '  File "/tmp/ipykernel_17/893008550.py", line 1 in <module>',
]


def test_the_last_lines() -> None:
    assert shortened("") == ""
    assert shortened("one\ntwo\n\n") == "one\ntwo"
    many = [f"line {number}" for number in range(2 * LINES)]
    assert shortened("\n".join(many)).splitlines() == many[-LINES:]


def test_the_thread_that_crashed() -> None:
    before = ["libfoo: 3 devices", "Fatal Python error: Segmentation fault"]
    assert shortened(DUMP).splitlines() == [*before, *CURRENT]


def test_a_dump_whose_beginning_is_lost() -> None:
    assert shortened(DUMP[DUMP.index("parentpoller") :]).splitlines() == CURRENT


def test_a_deep_stack() -> None:
    """The calls that were made last are the ones of interest."""
    deep = "\n".join([CURRENT[0], *(f'  File "x.py", line {line} in f' for line in range(100))])
    lines = shortened(deep).splitlines()
    assert lines[:2] == [CURRENT[0], '  File "x.py", line 0 in f']
    assert len(lines) <= LINES
