"""What a cluster that has much and does nothing takes: descriptors and processor time stay bounded."""

import os
import resource
import time
import unittest

from harness import ClusterTest, wait_for

SEGMENT = 64 << 10
SEGMENTS = 600
# What a server may open, far less than it has files. Half of it is for those, some for connections.
DESCRIPTORS = 256
DESCRIPTORS_USED = 200
WATCHED_S = 3


def processor_seconds(pid):
    """What all threads of a process have used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Resources(ClusterTest):

    def pids(self):
        return {f"node {node}": process.pid for node, process in self.cluster.processes.items()}

    def descriptors(self):
        return {who: len(os.listdir(f"/proc/{pid}/fd")) for who, pid in self.pids().items()}

    def segments(self, node):
        root = os.path.join(self.cluster.dir, f"data{node}")
        return sum(name.endswith(".log") for _, _, names in os.walk(root) for name in names)

    def test_L4_descriptors_do_not_grow_with_segments(self):
        c = self.cluster
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
        c.start_all()
        c.cli("topic", "create", "t", "--segment-bytes", str(SEGMENT))
        line = b"x" * 1023 + b"\n"
        count = SEGMENTS * SEGMENT // len(line)
        c.cli("produce", "--topic", "t", "--batch-bytes", str(SEGMENT // 4), input=line * count)
        for node in c.ids:
            wait_for(f"{SEGMENTS} segments of node {node}",
                     lambda node=node: self.segments(node) >= SEGMENTS)
        for who, open_now in self.descriptors().items():
            self.assertLess(open_now, DESCRIPTORS_USED, who)
        # Whoever reads all of them opens them one after the other.
        out = c.cli("consume", "--topic", "t", "--from", "earliest").stdout
        self.assertEqual(out.count(b"\n"), count)
        for who, open_now in self.descriptors().items():
            self.assertLess(open_now, DESCRIPTORS_USED, who)

    def test_L5_tailing_costs_next_to_nothing_while_nothing_comes(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t")
        out = os.path.join(c.dir, "tail.out")
        with open(out, "wb") as sink:
            tails = [c.spawn("consume", "--topic", "t", "--from", "earliest", "--follow",
                             stdout=sink) for _ in range(4)]
        c.cli("produce", "--topic", "t", input=b"one\n")
        wait_for("all to have the record", lambda: os.path.getsize(out) == 4 * len("one\n"))
        pids = {**self.pids(), **{f"tail {i}": tail.pid for i, tail in enumerate(tails)}}
        before = {who: processor_seconds(pid) for who, pid in pids.items()}
        began = time.monotonic()
        wait_for("time to pass", lambda: time.monotonic() - began > WATCHED_S)
        for who, pid in pids.items():
            used = processor_seconds(pid) - before[who]
            # One that polls has all there is of two cores for eight processes.
            self.assertLess(used, 0.1 * WATCHED_S, f"{who} used {used:.2f} s of {WATCHED_S}")
        c.cli("produce", "--topic", "t", input=b"two\n")
        wait_for("all to have the next one", lambda: os.path.getsize(out) == 8 * len("one\n"))


if __name__ == "__main__":
    unittest.main()
