import os
import time
import unittest

from kubernel_supervisor.run.loop import Loop


class LoopTest(unittest.TestCase):
    def setUp(self):
        self.loop, self.seen = Loop(), []
        self.read, self.write = os.pipe()
        self.addCleanup(os.close, self.read)
        self.addCleanup(os.close, self.write)

    def note(self, what):
        return lambda: self.seen.append(what)

    def test_a_descriptor_that_is_ready(self):
        self.loop.watch(self.read, lambda: self.seen.append(os.read(self.read, 10)))
        os.write(self.write, b"news")
        self.loop.turn()
        self.assertEqual(self.seen, [b"news"])

    def test_a_watch_that_an_action_before_it_ended(self):
        other_read, other_write = os.pipe()
        self.addCleanup(os.close, other_read)
        self.addCleanup(os.close, other_write)
        for mine, other in ((self.read, other_read), (other_read, self.read)):
            self.loop.watch(mine, lambda mine=mine, other=other: (self.seen.append(mine), self.loop.forget(other)))
        os.write(self.write, b"1")
        os.write(other_write, b"1")
        self.loop.turn()
        self.assertEqual(len(self.seen), 1)

    def test_timers_come_in_time_once_and_the_last_of_a_name_wins(self):
        self.loop.later("a", 1000, self.note("never"))
        self.loop.later("a", 0, self.note("a"))
        self.loop.turn()
        self.loop.later("b", 0, self.note("b"))
        self.loop.turn()
        self.assertEqual(self.seen, ["a", "b"])

    def test_what_came_while_an_action_blocked_is_read_before_a_timer_gives_up(self):
        other_read, other_write = os.pipe()
        self.addCleanup(os.close, other_read)
        self.addCleanup(os.close, other_write)

        def block():
            os.read(self.read, 10)
            os.write(other_write, b"line")
            time.sleep(0.02)

        self.loop.watch(self.read, block)
        self.loop.watch(other_read, lambda: self.seen.append(os.read(other_read, 10)))
        self.loop.later("patience", 0.01, self.note("given up"))
        os.write(self.write, b"slow")
        self.loop.turn()
        self.loop.turn()
        self.assertEqual(self.seen, [b"line", "given up"])

    def test_a_cancelled_timer(self):
        self.loop.later("a", 0, self.note("a"))
        self.loop.cancel("a")
        self.loop.cancel("no such")
        self.loop.later("b", 0, self.note("b"))
        self.loop.turn()
        self.assertEqual(self.seen, ["b"])

    def test_a_timer_may_cancel_one_that_is_due_as_well(self):
        self.loop.later("a", 0, lambda: (self.seen.append("a"), self.loop.cancel("b")))
        self.loop.later("b", 0, lambda: (self.seen.append("b"), self.loop.cancel("a")))
        self.loop.turn()
        self.assertEqual(len(self.seen), 1)
