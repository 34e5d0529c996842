"""Three real nodes and a topic with retention: disk use stays bounded, and nobody loses its place unseen."""

import os
import unittest

from harness import ClusterTest, wait_for

SEGMENT = 64 << 10
KEPT = 512 << 10
LINE = b"x" * 999


def lines(first, count):
    return b"".join(b"%08d %s\n" % (i, LINE) for i in range(first, first + count))


class Retention(ClusterTest):

    def group_dir(self, node):
        group = int(self.cluster.topic("t")["partitions"][0]["group"])
        root = os.path.join(self.cluster.dir, f"data{node}")
        return next(path for path, _, _ in os.walk(root)
                    if os.path.basename(path) == f"g{group:016x}")

    def files(self, node):
        """Size by name of what the partition has on the disk of `node`."""
        sizes = {}
        with os.scandir(self.group_dir(node)) as entries:
            for entry in entries:
                try:
                    sizes[entry.name] = entry.stat().st_size
                except FileNotFoundError:
                    pass  # it goes as we look
        return sizes

    def produce(self, first, count):
        self.cluster.cli("produce", "--topic", "t", "--batch-bytes", "8192",
                         input=lines(first, count))

    def assert_bounded(self, node):
        # What is kept, the ends of its files not filled by a batch (an eighth), one segment that is
        # being filled, one that goes next, and the sidecars (a sixth): far less than was produced.
        bound = 2 * KEPT
        try:
            wait_for(f"node {node} to use at most {bound} bytes",
                     lambda: sum(self.files(node).values()) <= bound)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.files(node)}") from late
        self.assertGreaterEqual(sum(self.files(node).values()), KEPT)

    def start_offset(self, node):
        described = self.cluster.topic("t", servers=self.cluster.address(node))
        return int(described["partitions"][0].get("start_offset", 0))

    def test_disk_use_stays_bounded_on_every_node_and_through_restarts(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--segment-bytes", str(SEGMENT), "--retention-bytes",
              str(KEPT))
        self.produce(0, 2000)
        first_files = {node: set(self.files(node)) for node in c.ids}
        self.produce(2000, 2000)
        for node in c.ids:
            self.assert_bounded(node)
            self.assertTrue(first_files[node] - set(self.files(node)), "no file has gone")
            self.assertGreater(self.start_offset(node), 2000)

        # Any but the one that all join by: that one has nobody to ask for the others' addresses.
        victim = c.ids[-1]
        c.kill(victim)
        c.start(victim)
        wait_for("the restarted node to catch up",
                 lambda: c.high_watermark(victim, "t") == 4000)
        self.assertGreater(self.start_offset(victim), 2000)
        self.produce(4000, 2000)
        for node in c.ids:
            self.assert_bounded(node)

        out = c.cli("consume", "--topic", "t", "--from", "earliest").stdout
        self.assertTrue(lines(0, 6000).endswith(out))
        self.assertGreaterEqual(len(out), KEPT // 2)
        late = c.cli("consume", "--topic", "t", "--from", "10", check=False)
        self.assertNotEqual(late.returncode, 0)
        self.assertIn(b"offset 10 is out of range", late.stderr)

    def test_a_dead_replica_keeps_twice_as_much_is_named_and_then_is_sent_full_segments(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--segment-bytes", str(SEGMENT), "--retention-bytes",
              str(KEPT))
        self.produce(0, 10)
        leader = c.leader("t")
        victim = next(node for node in reversed(c.ids) if node != leader)
        c.kill(victim)
        self.produce(10, 940)
        wait_for("a note of who holds retention back",
                 lambda: any("event=retention_held_back" in line and f"voter={victim}" in line
                             for line in c.log(leader).splitlines()))
        # The dead node has the first ten records only, so at most they may go.
        self.assertLessEqual(self.start_offset(leader), 10)
        self.produce(950, 1050)
        wait_for("retention to wait no longer", lambda: self.start_offset(leader) > 10)
        c.start(victim)
        wait_for("the restarted node to catch up",
                 lambda: c.high_watermark(victim, "t") == 2000)
        self.assertIn("event=snapshot_installed", c.log(victim))
        for node in c.ids:
            self.assert_bounded(node)

    def test_settings_are_told_and_bad_ones_refused(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--retention-bytes", "1000000", "--retention-time", "7d")
        described = c.cli("topic", "describe", "t").stdout
        self.assertIn(b"kept: 1000000 bytes a partition or 7d", described)
        self.assertEqual(c.topic("t")["retention_ms"], 604800000)
        for flag, value in (("--retention-time", "7"), ("--retention-time", "0d"),
                            ("--retention-time", "40000d"), ("--retention-time", "week"),
                            ("--retention-bytes", "0"), ("--retention-bytes", "-5"),
                            ("--retention-bytes", "1G")):
            bad = c.cli("topic", "create", "u", flag, value, check=False)
            self.assertNotEqual(bad.returncode, 0, value)
            self.assertIn(flag.encode(), bad.stderr, value)
        self.assertIn(b"kept for ever", self._describe_default())

    def _describe_default(self):
        self.cluster.cli("topic", "create", "plain")
        return self.cluster.cli("topic", "describe", "plain").stdout


if __name__ == "__main__":
    unittest.main()
