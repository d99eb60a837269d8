import os
import tempfile
import unittest

from kubernel_supervisor.usage import cpu_seconds, memory, memory_of, oom_kills

V1 = ("memory.usage_in_bytes", "memory.limit_in_bytes", b"total_inactive_file")
V2 = ("memory.current", "memory.max", b"inactive_file")


class MemoryTest(unittest.TestCase):
    def test_usage_without_cache_and_limit_by_cgroup_v1_and_v2(self):
        for names, used, limit, stat, found in (
            (V1, "1000", "5000", "cache 7\ntotal_inactive_file 300\n", {"usage": 700, "limit": 5000}),
            (V1, "1000", "9223372036854771712", "total_inactive_file 0\n", {"usage": 1000, "limit": None}),
            (V2, "1000\n", "5000\n", "anon 1\ninactive_file 300\n", {"usage": 700, "limit": 5000}),
            (V2, "1000\n", "max\n", "inactive_file 1200\n", {"usage": 0, "limit": None}),
            (V2, "1000\n", "5000\n", "anon 1\n", None),
            (V2, "much\n", "5000\n", "inactive_file 0\n", None),
        ):
            with self.subTest(used=used, limit=limit, stat=stat), tempfile.TemporaryDirectory() as folder:
                for name, text in {names[0]: used, names[1]: limit, "memory.stat": stat}.items():
                    with open(os.path.join(folder, name), "w") as file:
                        file.write(text)
                self.assertEqual(memory((("/absent", *V2), (folder, *names))), found)

    def test_no_cgroup_is_not_known(self):
        self.assertIsNone(memory((("/absent", *V1),)))


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


class OneProcessTest(unittest.TestCase):
    def test_its_memory(self):
        self.assertGreater(memory_of(os.getpid()) or 0, 1 << 20)
        self.assertIsNone(memory_of(0))


class CpuTest(unittest.TestCase):
    def test_of_some_processes(self):
        self.assertEqual(cpu_seconds([]), 0.0)
        self.assertGreaterEqual(cpu_seconds([os.getppid()]), 0.0)
