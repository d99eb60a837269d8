import os
import tempfile
import unittest

from kubernel_supervisor.memory.usage import MemoryGauge, cpu_seconds, memory, memory_of, most_used, oom_kills

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


#: Of a container on a node with cgroup v2, with 350Mi, as Linux 6.12 writes them.
NODE_V2 = {
    "memory.current": "104861696\n",
    "memory.max": "367001600\n",
    "memory.peak": "117653504\n",
    "memory.events": "low 0\nhigh 0\nmax 31\noom 0\noom_kill 0\noom_group_kill 0\nsock_throttled 0\n",
    "memory.oom.group": "1\n",
    "memory.stat": "anon 72359936\nfile 24158208\nkernel 5373952\nkernel_stack 196608\npagetables 1376256\nshmem 0\n"
    "file_mapped 12029952\ninactive_anon 72355840\nactive_anon 4096\ninactive_file 14372864\nactive_file 9785344\n"
    "unevictable 0\nslab_reclaimable 2293760\nslab 2741248\nworkingset_refault_file 0\npgfault 41563\n",
}


class NodeTest(unittest.TestCase):
    """The files of cgroup v2 as a node has them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, text in NODE_V2.items():
            self.write(name, text)
        self.files = (("/absent", *V1), (self.folder, *V2))

    def write(self, name, text):
        """In place, as the node changes a file that is open."""
        handle = os.open(os.path.join(self.folder, name), os.O_WRONLY | os.O_CREAT)
        os.ftruncate(handle, 0)
        os.write(handle, text.encode())
        os.close(handle)

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_what_is_used(self):
        self.assertEqual(memory(self.files), {"usage": 104861696 - 14372864, "limit": 367001600})
        self.assertEqual(most_used(("/absent", self.path("memory.peak"))), 117653504)
        self.assertEqual(oom_kills(("/absent", self.path("memory.events"))), 0)

    def test_a_gauge_sees_what_changes(self):
        gauge = MemoryGauge(self.files)
        self.assertEqual(gauge.limit(), 367001600)
        self.assertEqual(gauge.used(200 << 20), 104861696)  # the cache would change nothing
        self.assertEqual(gauge.used(50 << 20), 104861696 - 14372864)
        self.write("memory.max", "734003200\n")
        self.write("memory.current", "367001600\n")
        self.write("memory.stat", NODE_V2["memory.stat"].replace("inactive_file 14372864", "inactive_file 0"))
        self.assertEqual((gauge.limit(), gauge.used(1)), (734003200, 367001600))
        self.write("memory.max", "max\n")
        self.assertIsNone(gauge.limit())

    def test_a_kill_of_the_whole_group_is_a_kill(self):
        self.write("memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 3\noom_group_kill 1\n")
        self.assertEqual(oom_kills(("/absent", self.path("memory.events"))), 3)

    def test_a_file_that_is_missing_is_not_known(self):
        os.remove(self.path("memory.max"))
        gauge = MemoryGauge(self.files)
        self.assertEqual((gauge.limit(), gauge.used(1), memory(self.files)), (None, 0, None))

    def test_linux_before_5_19_has_no_peak(self):
        self.assertIsNone(most_used((self.path("memory.peak.absent"),)))


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
