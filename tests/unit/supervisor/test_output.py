import os
import select
import unittest

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
