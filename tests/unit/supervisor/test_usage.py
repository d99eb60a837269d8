import os
import tempfile
import unittest

from kubernel_supervisor.usage import oom_kills


class OutOfMemoryTest(unittest.TestCase):
    def test_kills_are_counted_by_cgroup_v1_and_v2(self):
        for name, text, number in (
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", 3),
            ("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n", 1),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", 0),  # before Linux 4.13
            ("memory.events", "", 0),
            ("memory.events", "no such format at all\n", 0),
        ):
            with self.subTest(text), tempfile.TemporaryDirectory() as folder:
                with open(os.path.join(folder, name), "w") as file:
                    file.write(text)
                self.assertEqual(oom_kills((f"{folder}/absent", f"{folder}/{name}")), number)

    def test_no_cgroup_is_no_kill(self):
        self.assertEqual(oom_kills(("/absent",)), 0)
