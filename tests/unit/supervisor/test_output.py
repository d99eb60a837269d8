import contextlib
import os
import select
import subprocess
import sys
import unittest
from unittest import mock

from kubernel_supervisor.run.captured import Captured
from kubernel_supervisor.run.loop import Loop
from kubernel_supervisor.run.output import Relay

SECRET = "5ec2e7" * 10 + "abcd"


class TailTest(unittest.TestCase):
    def tail_of(self, text):
        """What is told when the kernel has printed ``text`` to stderr, and our own stderr leads nowhere."""
        pipes = (os.pipe(), os.pipe())
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            relay = Relay(Loop(), pipes, ["", SECRET])
            for start in range(0, len(text), 4096):
                os.write(pipes[1][1], text[start : start + 4096].encode())
                relay.drain()
            return relay.tail()
        finally:
            os.dup2(saved, 2)
            for fd in (saved, nowhere, *pipes[0], *pipes[1]):
                os.close(fd)

    def test_the_last_lines(self):
        for name, text, tail in (
            ("nothing", "", ""),
            ("short", "one\ntwo", "one\ntwo"),
            ("secrets", f"{SECRET} {SECRET}\n", "[secret] [secret]\n"),
            ("whole lines only", "x" * 3000 + "\nlast\n", "last\n"),
            ("one long line", "x" * 5000, "x" * 2048),
            ("text that is no ASCII", "\u00fc" * 2000 + "\n\u00fc", "\u00fc"),
        ):
            with self.subTest(name):
                self.assertEqual(self.tail_of(text), tail)

    def test_never_part_of_a_secret(self):
        for shift in range(0, 72, 5):
            tail = self.tail_of(SECRET * 70 + "." * shift)
            with self.subTest(shift):
                self.assertNotIn(SECRET[:12], tail)
                self.assertNotIn(SECRET[-12:], tail)


class LastOutputTest(unittest.TestCase):
    """What a kernel that had worked printed before its end."""

    @contextlib.contextmanager
    def relay(self):
        """A relay, what writes to the kernel's stderr, and the loop; our own stderr leads nowhere."""
        pipes = (os.pipe(), os.pipe())
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        loop = Loop()
        try:
            yield Relay(loop, pipes, [SECRET]), pipes[1][1], loop
        finally:
            os.dup2(saved, 2)
            for fd in (saved, nowhere, *pipes[0], *pipes[1]):
                os.close(fd)

    def test_more_of_it_than_of_a_start_that_failed(self):
        lines = "".join("line %d\n" % number for number in range(3000))
        with self.relay() as (relay, write_end, _):
            for start in range(0, len(lines), 4096):
                os.write(write_end, lines[start : start + 4096].encode())
                relay.drain()
            last = relay.last_output()
        self.assertTrue(last.startswith("line ") and last.endswith("line 2999\n"), last)
        self.assertTrue(10000 < len(last) <= 12288, len(last))

    def test_no_secret(self):
        with self.relay() as (relay, write_end, _):
            os.write(write_end, SECRET.encode())
            relay.drain()
            self.assertEqual(relay.last_output(), "[secret]")

    def test_nothing_of_the_start(self):
        with self.relay() as (relay, write_end, _):
            os.write(write_end, b"a warning\n")
            relay.drain()
            relay.works(os.getpid())
            os.write(write_end, b"the end\n")
            relay.drain()
            self.assertEqual(relay.last_output(), "the end\n")

    def test_nothing_of_long_ago(self):
        with self.relay() as (relay, write_end, _), mock.patch("time.monotonic") as clock:
            clock.return_value = 0.0
            relay.forget()
            for moment, text in ((0.0, b"old\n"), (61.0, b"new\n")):
                clock.return_value = moment
                os.write(write_end, text)
                relay.drain()
            clock.return_value = 120.0
            self.assertEqual(relay.last_output(), "new\n")
            clock.return_value = 122.0
            self.assertEqual(relay.last_output(), "")


#: A kernel that leads its stderr into a pipe of its own, as ipykernel does.
CAPTURING = """
import os, sys
read_end, write_end = os.pipe()
os.dup2(write_end, 2)
os.write(1, b"ready\\n")
sys.stdin.read(1)
os.write(2, b"out of luck\\n")
os.abort()
"""


class CapturedTest(unittest.TestCase):
    def dies(self, is_found):
        """What is known of the end of such a kernel."""
        pipes = (os.pipe(), os.pipe())
        loop = Loop()
        relay = Relay(loop, pipes, [])
        kernel = subprocess.Popen(
            [sys.executable, "-c", CAPTURING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=pipes[1][1]
        )
        saved, log = os.dup(2), os.pipe()
        os.dup2(log[1], 2)
        stdout, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        try:
            kernel.stdout.readline()
            relay.works(kernel.pid)
            os.write(pipes[1][1], b"To connect another client ...\n")
            while is_found and not relay._captured._held:
                loop.turn()
            os.write(pipes[0][1], b"works\n" if is_found else b"")
            kernel.communicate(b"x")
            relay.drain()
            said = os.read(log[0], 100) if select.select([log[0]], [], [], 0)[0] else b""
            return relay.last_output(), said
        finally:
            os.dup2(saved, 2)
            os.dup2(stdout, 1)
            for fd in (saved, stdout, nowhere, *log, *pipes[0], *pipes[1]):
                os.close(fd)

    def test_what_nobody_has_read_any_more(self):
        last, said = self.dies(True)
        self.assertEqual(last, "works\nout of luck\n")
        self.assertEqual(said, b"To connect another client ...\nout of luck\n")

    def test_an_end_before_the_first_look(self):
        self.assertEqual(self.dies(False)[0], "To connect another client ...\n")

    def test_pipes_of_ours_are_let_be(self):
        pipes = (os.pipe(), os.pipe())
        try:
            loop = Loop()
            captured = Captured(loop, pipes, self.fail)
            command = [sys.executable, "-c", "import sys; sys.stdin.read(1)"]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=pipes[0][1], stderr=pipes[1][1]) as kernel:
                captured.look_for(kernel.pid, looks=1)
                loop.turn()
                os.write(pipes[1][1], b"x")
                kernel.communicate(b"x")
            self.assertEqual(list(captured.rest()), [])
        finally:
            for fd in (*pipes[0], *pipes[1]):
                os.close(fd)

    def test_it_looks_often_at_first_and_not_for_ever(self):
        pipes, pauses = (os.pipe(), os.pipe()), []
        try:
            captured = Captured(mock.Mock(later=lambda _, pause, look: pauses.append((pause, look))), pipes, self.fail)
            captured.look_for(0)
            for _, look in pauses:  # grows meanwhile
                look()
            seconds = [pause for pause, _ in pauses]
            self.assertEqual(seconds, sorted(seconds))
            self.assertEqual((seconds[0], seconds[-1]), (0.01, 0.05))
            self.assertAlmostEqual(sum(seconds), 20.0)
        finally:
            for fd in (*pipes[0], *pipes[1]):
                os.close(fd)


class RelayTest(unittest.TestCase):
    def test_output_waits_in_the_pipe_while_the_log_is_stuck(self):
        pipes, log = (os.pipe(), os.pipe()), os.pipe()
        saved = os.dup(1)
        os.set_blocking(log[1], False)
        os.dup2(log[1], 1)
        try:
            while select.select([], [log[1]], [], 0)[1]:
                os.write(log[1], b"x" * 4096)
            loop = Loop()
            relay = Relay(loop, pipes, [])
            os.write(pipes[0][1], b"late\n")
            loop.turn()  # sees that there is no room, and returns
            relay.drain()
            os.read(log[0], 1 << 20)
            loop.turn()
            loop.turn()
            self.assertEqual(os.read(log[0], 100), b"late\n")
        finally:
            os.dup2(saved, 1)
            for fd in (saved, *log, *pipes[0], *pipes[1]):
                os.close(fd)
