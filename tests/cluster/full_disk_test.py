"""Real nodes whose file systems are full: small ones, mounted for the test (needs root)."""

import os
import subprocess
import unittest

from harness import ClusterTest, wait_for

MIB = 1 << 20
LINE = b"x" * 1000


def lines(count):
    return b"".join(b"%08d " % i + LINE + b"\n" for i in range(count))


class FullDiskTest(ClusterTest):
    """What the tests have in common."""

    def mount(self, node, size):
        """Puts the node's data directory on a file system of its own, with a ballast to delete."""
        path = os.path.join(self.cluster.dir, f"mount{node}")
        os.mkdir(path)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
                              capture_output=True)
        if made.returncode != 0:
            self.skipTest(f"cannot mount a tmpfs: {made.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", path], check=True)
        return path

    def ballast(self, path, size):
        name = os.path.join(path, "ballast")
        with open(name, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, size)
        return name

    def fill(self, path):
        """Takes what is left, to the last byte."""
        name = os.path.join(path, "filling")
        with open(name, "ab", buffering=0) as f:
            size = MIB
            while size > 0:
                try:
                    f.write(bytes(size))
                except OSError:
                    size //= 2
        return name

    def metric(self, node, name):
        page = self.cluster.https(node, "/metrics").decode()
        return sum(float(line.split()[-1]) for line in page.splitlines()
                   if line.startswith(name + " ") or line.startswith(name + "{"))

    def spawn_producer(self, data):
        path = os.path.join(self.cluster.dir, "input")
        with open(path, "wb") as f:
            f.write(data)
        with open(path, "rb") as f:
            return self.cluster.spawn("produce", "--topic", "t", stdin=f, stderr=subprocess.PIPE)

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("mounting a small file system needs root")


class FullDisk(FullDiskTest):

    def test_all_disks_full_is_read_only_until_there_is_space_again(self):
        c = self.cluster
        ballasts = []
        for node in c.ids:
            path = self.mount(node, 48 * MIB)
            ballasts.append(self.ballast(path, 24 * MIB))
            c.start(node, data_dir=os.path.join(path, "data"), disk_headroom_bytes=8 * MIB)
        wait_for("every node to be healthy", lambda: all(c.healthy(n) for n in c.ids))
        c.cli("topic", "create", "t", "--replication-factor", "3")
        data = lines(28 * 1024)
        producer = self.spawn_producer(data)
        leader = c.leader("t")
        wait_for("the leader's disk to be full",
                 lambda: self.metric(leader, "tidemark_disk_full") == 1)
        status = wait_for("the status to say so", lambda: self.full_status())
        self.assertIn("DISK IS FULL", status)
        wait_for("every disk to be full",
                 lambda: all(self.metric(n, "tidemark_disk_full") == 1 for n in c.ids))
        # New topics are refused, with numbers; what is there can be read, and topics deleted.
        refused = c.cli("topic", "create", "u", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertRegex(refused.stderr.decode(), r"DISK_FULL: .* \d+ of \d+ bytes free")
        got = c.cli("consume", "--topic", "t", "--from", "earliest").stdout
        self.assertGreater(len(got), MIB)
        self.assertTrue(data.startswith(got))
        self.assertIsNone(producer.poll(), "the producer waits")
        pids = {n: c.processes[n].pid for n in c.ids}
        for name in ballasts:
            os.unlink(name)
        self.assertEqual(producer.wait(timeout=110), 0)
        self.assertEqual(c.cli("consume", "--topic", "t", "--from", "earliest").stdout, data)
        for node in c.ids:
            wait_for(f"node {node} to have everything",
                     lambda: c.high_watermark(node, "t") == 28 * 1024)
            self.assertIsNone(c.processes[node].poll())
            self.assertEqual(c.processes[node].pid, pids[node])

    def full_status(self):
        out = self.cluster.cli("status", check=False).stdout.decode()
        return out if "DISK IS FULL" in out else None

    def test_a_topic_is_deleted_on_full_disks_and_its_space_is_used_again(self):
        c = self.cluster
        for node in c.ids:
            path = self.mount(node, 32 * MIB)
            c.start(node, data_dir=os.path.join(path, "data"), disk_headroom_bytes=8 * MIB)
        wait_for("every node to be healthy", lambda: all(c.healthy(n) for n in c.ids))
        c.cli("topic", "create", "t", "--replication-factor", "3")
        c.cli("topic", "create", "after", "--replication-factor", "3")
        self.spawn_producer(lines(40 * 1024))
        wait_for("every disk to be full",
                 lambda: all(self.metric(n, "tidemark_disk_full") == 1 for n in c.ids))
        c.cli("topic", "delete", "t")
        wait_for("space", lambda: all(self.metric(n, "tidemark_disk_full") == 0 for n in c.ids))
        c.cli("produce", "--topic", "after", input=lines(1000))
        self.assertEqual(c.cli("consume", "--topic", "after", "--from", "earliest").stdout,
                         lines(1000))

    def test_a_write_without_space_fails_one_replica_and_it_verifies_itself_again(self):
        c = self.cluster
        path = self.mount(1, 40 * MIB)
        ballast = self.ballast(path, 24 * MIB)
        # No headroom: writes do fail.
        c.start(1, data_dir=os.path.join(path, "data"), disk_headroom_bytes=0)
        c.start(2)
        c.start(3)
        wait_for("every node to be healthy", lambda: all(c.healthy(n) for n in c.ids))
        c.cli("topic", "create", "t", "--replication-factor", "3")
        data = lines(28 * 1024)
        producer = self.spawn_producer(data)
        wait_for("a write to fail", lambda: self.metric(1, "tidemark_groups_failed_total") > 0)
        self.assertEqual(producer.wait(timeout=110), 0, "the other two go on")
        self.assertIn("No space left on device", c.log(1))
        os.unlink(ballast)
        wait_for("node 1 to have everything",
                 lambda: c.high_watermark(1, "t") == 28 * 1024, seconds=60)
        self.assertGreater(self.metric(1, "tidemark_groups_reopened_total"), 0)
        self.assertEqual(c.cli("consume", "--topic", "t", "--from", "earliest",
                               servers=c.address(1)).stdout, data)


class FullToTheLastByte(FullDiskTest):
    """Another program took all of it, the headroom as well; there is no other replica."""

    nodes = 1

    def start_offset(self, topic):
        return int(self.cluster.topic(topic)["partitions"][0].get("start_offset", 0))

    def test_reads_retention_and_deletion_go_on_and_writes_come_back(self):
        c = self.cluster
        path = self.mount(1, 96 * MIB)
        c.start(1, data_dir=os.path.join(path, "data"), disk_headroom_bytes=16 * MIB)
        wait_for("the node to be healthy", lambda: c.healthy(1))
        for topic, more in (("t", []), ("old", ["--retention-time", "20s"]), ("dead", [])):
            c.cli("topic", "create", topic, "--segment-bytes", str(MIB), *more)
        data = lines(28 * 1024)
        for topic in ("old", "dead"):
            c.cli("produce", "--topic", topic, "--batch-bytes", "8192", input=lines(8 * 1024))
        producer = self.spawn_producer(data)
        wait_for("some records", lambda: c.high_watermark(1, "t") > 1000)
        filling = self.fill(path)
        wait_for("the disk to be full", lambda: self.metric(1, "tidemark_disk_full") == 1)
        pid = c.processes[1].pid
        acknowledged = c.high_watermark(1, "t")
        got = c.cli("consume", "--topic", "t", "--from", "earliest").stdout
        self.assertTrue(data.startswith(got))
        self.assertGreaterEqual(got.count(b"\n"), acknowledged)
        refused = c.cli("topic", "create", "u", "--timeout", "3", check=False).stderr.decode()
        self.assertRegex(refused, r"DISK_FULL: .*Free space or delete topics")

        # Each of them finds no byte free and leaves more than was there.
        c.cli("topic", "delete", "dead")
        wait_for("a deleted topic's space", lambda: self.free(path) > 4 * MIB)
        filling = self.fill(path)
        wait_for("what is too old to go", lambda: self.start_offset("old") > 0, seconds=60)
        wait_for("its space", lambda: self.free(path) > 4 * MIB)

        os.unlink(filling)
        self.assertEqual(producer.wait(timeout=60), 0)
        self.assertEqual(c.cli("consume", "--topic", "t", "--from", "earliest").stdout, data)
        self.assertEqual(c.processes[1].pid, pid)

    def free(self, path):
        space = os.statvfs(path)
        return space.f_bavail * space.f_frsize


if __name__ == "__main__":
    unittest.main()
