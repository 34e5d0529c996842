"""A real node whose disk hangs: its file system is frozen (a small ext4 in a file; needs root)."""

import os
import subprocess
import time
import unittest

from harness import ClusterTest, wait_for

MIB = 1 << 20
STALL_MS = 3000


class DiskStall(ClusterTest):

    def mount(self, node):
        """Puts the node's data directory on a file system of its own, which can be frozen."""
        image = os.path.join(self.cluster.dir, f"image{node}")
        path = os.path.join(self.cluster.dir, f"mount{node}")
        os.mkdir(path)
        with open(image, "wb") as f:
            f.truncate(256 * MIB)
        for command in (["mkfs.ext4", "-q", image], ["mount", "-o", "loop", image, path]):
            made = subprocess.run(command, capture_output=True)
            if made.returncode != 0:
                self.skipTest(f"cannot make a file system: {made.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", path], check=True)
        # A process that waits for a frozen file system cannot even be killed.
        self.addCleanup(self.thaw, path)
        return path

    def freeze(self, path):
        subprocess.run(["fsfreeze", "-f", path], check=True, timeout=10)

    def thaw(self, path):
        subprocess.run(["fsfreeze", "-u", path], capture_output=True, timeout=10)

    def metric(self, node, name):
        page = self.cluster.https(node, "/metrics").decode()
        return sum(float(line.split()[-1]) for line in page.splitlines()
                   if line.startswith(name + " ") or line.startswith(name + "{"))

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("freezing a file system needs root")

    def test_somebody_else_leads_while_a_disk_hangs_and_the_node_comes_back_with_it(self):
        c = self.cluster
        paths = {node: self.mount(node) for node in c.ids}
        for node in c.ids:
            c.start(node, data_dir=os.path.join(paths[node], "data"),
                    disk_headroom_bytes=8 * MIB, disk_stall_timeout_ms=STALL_MS)
        wait_for("every node to be healthy", lambda: all(c.healthy(n) for n in c.ids))
        c.cli("topic", "create", "t", "--replication-factor", "3")
        c.cli("produce", "--topic", "t", input=b"before\n")
        hung = c.leader("t")
        others = ",".join(c.address(n) for n in c.ids if n != hung)
        self.freeze(paths[hung])
        begin = time.monotonic()
        # Two disks of three are enough to commit; the leader's own write hangs.
        c.cli("produce", "--topic", "t", input=b"while it hangs\n")

        def moved():
            described = c.topic("t", servers=others)
            leader = int(described["partitions"][0].get("leader_id", 0)) if described else 0
            return leader not in (0, hung) and leader
        wait_for("another leader", moved)
        took = time.monotonic() - begin
        print(f"another node led {took:.2f} s after the leader's disk hung "
              f"(bound {STALL_MS / 1000:.1f} s)")
        self.assertLess(took, STALL_MS / 1000 + 4)
        wait_for("the node to say so", lambda: self.metric(hung, "tidemark_disk_stalled") == 1)
        self.assertIn("disk_stalled", c.log(hung))
        c.cli("produce", "--topic", "t", input=b"to the next one\n", servers=others)
        self.thaw(paths[hung])
        wait_for("the disk to be back", lambda: self.metric(hung, "tidemark_disk_stalled") == 0)
        wait_for("the node to catch up", lambda: c.high_watermark(hung, "t") == 3)
        self.assertEqual(
            c.cli("consume", "--topic", "t", "--from", "earliest").stdout,
            b"before\nwhile it hangs\nto the next one\n")


if __name__ == "__main__":
    unittest.main()
