"""Three nodes whose disks change bytes, each in another place, while they run and while they are down: everything is
repaired from the other replicas, and until then nobody is served anything wrong."""

import glob
import os
import unittest

from harness import ClusterTest, flip_bit, wait_for

RECORDS = 300
LINE = len(b"000000 \n") + 990


class Repair(ClusterTest):
    def segments(self, node):
        group = int(self.cluster.topic("t")["partitions"][0]["group"])
        return sorted(glob.glob(os.path.join(self.cluster.dir, f"data{node}", f"g{group:016x}", "*.log")))

    @staticmethod
    def used(path):
        with open(path, "rb") as f:
            return len(f.read().rstrip(b"\0"))

    def restart(self, node, **options):
        if node in self.cluster.processes:
            self.assertEqual(self.cluster.terminate(node), 0)
        self.cluster.start(node, **options)
        wait_for(f"node {node} to be healthy", lambda: self.cluster.healthy(node))

    def await_repair(self, node):
        wait_for("the repair", lambda: self.cluster.metric(node, "tidemark_segments_repaired_total") >= 1)
        self.assertIn("segment_repaired", self.cluster.log(node))

    def consume(self, node, records):
        return self.cluster.cli("consume", "--topic", "t", "--from", "earliest", "--count", str(records),
                                servers=self.cluster.address(node)).stdout

    def test_r26_rot_on_each_replica_is_repaired_from_the_others(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--replication-factor", "3", "--segment-bytes", "65536")
        lines = b"".join(b"%06d %s\n" % (i, b"x" * 990) for i in range(RECORDS))
        c.cli("produce", "--topic", "t", "--batch-bytes", "4096", input=lines)
        leader = c.leader("t")
        follower = leader % 3 + 1
        for node in (1, 2, 3):
            wait_for("full segments", lambda: len(self.segments(node)) > 4)
            wait_for("all records", lambda: c.high_watermark(node, "t") == RECORDS)

        # While they run: at this rate a pass takes seconds, and what it comes to last has rotted by then.
        for node in (leader, follower):
            self.restart(node, scrub_bytes_per_second=65536)
            flip_bit(self.segments(node)[3], 9000 if node == leader else 30000)
            self.await_repair(node)

        # While it is down: in a full segment, in the header of one, which a start reads, and at the end of the log.
        for place in (20000, 40):
            self.assertEqual(c.terminate(follower), 0)
            flip_bit(self.segments(follower)[2], place)
            self.restart(follower)
            self.await_repair(follower)
        self.assertIn("segment_damaged", c.log(follower))

        # Where nobody scrubs: whoever reads it finds it. The replica refuses, and is whole when it is asked again.
        # Clients read from followers, and it is the only one while the third node is away.
        third = 6 - leader - follower
        self.assertEqual(c.terminate(third), 0)
        self.restart(follower, scrub_bytes_per_second=0)
        flip_bit(self.segments(follower)[1], 9000)
        self.assertEqual(self.consume(follower, RECORDS), lines)
        self.await_repair(follower)
        self.restart(third)
        self.restart(follower)
        # Behind the checkpoint of that start, and before the last frames: these are not known to have been
        # durable, and are cut like any torn tail.
        for more in range(8):
            c.cli("produce", "--topic", "t", "--batch-bytes", "4096", input=lines[:4 * LINE])
        everything = lines + lines[:4 * LINE] * 8
        records = everything.count(b"\n")
        wait_for("all records", lambda: c.high_watermark(follower, "t") == records)
        c.kill(follower)
        last = self.segments(follower)[-1]
        flip_bit(last, self.used(last) - 4 * 4 * LINE)
        self.restart(follower)
        wait_for("the end of the log", lambda: c.high_watermark(follower, "t") == records)
        self.assertIn("log_end_given_up", c.log(follower))

        for node in (1, 2, 3):
            self.assertEqual(self.consume(node, records), everything)
        for node in (1, 2, 3):
            self.assertEqual(c.terminate(node), 0)
            verified = c.run("log", "verify", os.path.join(c.dir, f"data{node}"))
            self.assertEqual(verified.returncode, 0, verified.stdout)


if __name__ == "__main__":
    unittest.main()
