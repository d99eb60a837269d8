import unittest
from unittest import mock

from fixtures.supervisor_parts import container_log
from kubernel_supervisor.memory import memory_guard
from kubernel_supervisor.memory.freezer import Freezer
from kubernel_supervisor.memory.memory_guard import MIB, MemoryGuard, headroom
from kubernel_supervisor.run.loop import Loop


class Gauge:
    def __init__(self):
        self.now, self.most = 100 * MIB, 400 * MIB

    def limit(self):
        return self.most

    def used(self, enough):
        return self.now


class NoProcesses(Freezer):
    def hold(self, reason, leader):
        self.reasons.add(reason)


class GuardTest(unittest.TestCase):
    def setUp(self):
        self.gauge, self.freezer, self.loop, self.seen = Gauge(), NoProcesses(), Loop(), []
        self.guard = self.made(interrupts=True)
        patcher = mock.patch.object(memory_guard, "time")
        self.clock = patcher.start()
        self.addCleanup(patcher.stop)
        self.clock.monotonic.return_value = 1000.0
        alarm = mock.patch.object(memory_guard, "CpuAlarm")
        self.alarm = alarm.start()
        self.addCleanup(alarm.stop)
        log = container_log()
        self.log = log.__enter__()
        self.addCleanup(log.__exit__, None, None, None)
        self.guard.begin(1)

    def made(self, interrupts):
        tell, interrupt = (lambda: self.seen.append("told")), (lambda: self.seen.append("interrupted"))
        return MemoryGuard(self.loop, self.freezer, interrupts, tell, interrupt, self.gauge)

    def look(self, used, limit=400, after=0.0):
        self.gauge.now, self.gauge.most = used * MIB, limit * MIB
        self.clock.monotonic.return_value += after
        self.guard._look()
        return bool(self.freezer.reasons)

    def test_nothing_comes_for_thirty_seconds(self):
        self.assertTrue(self.look(300))
        self.assertTrue(self.look(300, after=29))
        self.assertEqual(self.seen, ["told", "told"])
        self.assertFalse(self.look(300, after=1.1))
        self.assertEqual(self.seen, ["told", "told", "interrupted", "told"])

    def test_what_the_kernel_can_do_without_is_given_back_first(self):
        tell, given = (lambda: self.seen.append("told")), iter([True, False])
        self.guard = MemoryGuard(self.loop, self.freezer, True, tell, tell, self.gauge, give_back=lambda: next(given))
        self.assertFalse(self.look(300))
        self.assertEqual(self.seen, [])
        self.assertTrue(self.look(300), "it was not enough")

    def test_policy_continue(self):
        self.guard = self.made(interrupts=False)
        self.look(300)
        self.assertFalse(self.look(300, after=31))
        self.assertEqual(self.seen, ["told", "told"])

    def test_once_in_vain_is_enough_until_something_changes(self):
        self.look(300)
        self.look(300, after=31)
        self.assertFalse(self.look(350, after=1))
        self.assertFalse(self.look(200, after=1), "little less is no change")
        self.assertFalse(self.look(300, after=1))
        self.assertFalse(self.look(70, after=1))
        self.assertTrue(self.look(300, after=1), "after it was far below")

    def test_another_limit_is_another_try(self):
        self.look(300)
        self.look(300, after=31)
        self.assertTrue(self.look(400, limit=500))

    def test_a_limit_that_grew_too_little_is_told_at_once(self):
        self.look(390)
        self.assertTrue(self.look(390, limit=500, after=0.1))
        self.assertEqual(self.seen, ["told", "told"])
        self.assertFalse(self.look(390, limit=800, after=0.1))

    def test_memory_that_was_given_back(self):
        self.look(300)
        self.assertFalse(self.look(200))

    def test_a_limit_that_was_taken_away(self):
        self.look(300)
        self.gauge.most = None
        with mock.patch.object(self.gauge, "limit", return_value=None):
            self.guard._look()
        self.assertFalse(self.freezer.reasons)

    def test_the_next_look_is_as_far_as_the_limit(self):
        looks = []
        with mock.patch.object(self.loop, "later", lambda name, seconds, action: looks.append(seconds)):
            for used in (10, 190, 230, 235):
                self.look(used)
        self.assertEqual([round(seconds, 3) for seconds in looks], [0.056, 0.012, 0.01, 0.01])

    def test_a_quiet_kernel_wakes_its_guard(self):
        looks = []
        with mock.patch.object(self.loop, "later", lambda name, seconds, action: looks.append(seconds)):
            self.look(100, after=1.1)
            self.assertEqual(looks, [memory_guard.STILL_LOOK])
            self.alarm.return_value.after.assert_called_once_with(memory_guard.BUSY_CPU)
            self.guard.busy()
            self.look(100, after=0.5)
            self.look(150, after=0.9)
            self.look(150, after=0.9)
            self.assertEqual([round(seconds, 3) for seconds in looks[1:]], [0.034, 0.034, 0.022, 0.022])
            self.look(150, after=0.2)
        self.assertEqual(looks[-1], memory_guard.STILL_LOOK)

    def test_where_there_are_no_alarms_it_is_looked_at_all_the_time(self):
        self.alarm.side_effect = OSError
        self.guard = self.made(interrupts=True)
        self.guard.begin(1)
        looks = []
        with mock.patch.object(self.loop, "later", lambda name, seconds, action: looks.append(seconds)):
            self.look(100, after=100)
        self.assertEqual([round(seconds, 3) for seconds in looks], [0.034])

    def test_the_end_of_a_kernel_that_stands_still(self):
        self.look(300)
        self.guard.end()
        self.assertFalse(self.freezer.reasons)
        self.assertIsNone(self.guard.frozen_at)


class HeadroomTest(unittest.TestCase):
    def test_of_small_and_large_limits(self):
        sizes = {100: 40, 350: 140, 1024: 192, 8192: 409, 65536: 1024}
        self.assertEqual({limit: headroom(limit * MIB) // MIB for limit in sizes}, sizes)
