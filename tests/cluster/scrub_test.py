"""A lone node whose disk changes bytes of full segments: its scrubber names them, in the log and the metrics, makes a
damaged sidecar anew, and readers get the rotten records refused, not wrong."""

import glob
import os
import re
import subprocess
import unittest

from harness import ClusterTest, flip_bit, wait_for

SIZE = 998


class Scrub(ClusterTest):
    nodes = 1

    def metric(self, name):
        return self.cluster.metric(1, name)

    def full_segments(self):
        group = int(self.cluster.topic("t")["partitions"][0]["group"])
        return sorted(glob.glob(os.path.join(self.cluster.dir, "data1", f"g{group:016x}", "*.log")))[:-1]

    def consume(self, begin, count):
        return self.cluster.cli("consume", "--topic", "t", "--from", begin, "--count",
                                str(count)).stdout

    def restart(self):
        self.assertEqual(self.cluster.terminate(1), 0)
        self.cluster.start(1)
        wait_for("the node to be healthy", lambda: self.cluster.healthy(1))
        wait_for("a pass", lambda: self.metric("tidemark_scrub_passes_total") >= 1)

    def test_rot_is_named_and_refused_and_a_sidecar_is_made_anew(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--segment-bytes", "65536")
        lines = b"".join(b"%06d %s\n" % (i, b"x" * 990) for i in range(400))
        self.assertEqual(len(lines), 400 * SIZE)
        c.cli("produce", "--topic", "t", "--batch-bytes", "4096", input=lines)
        segments = self.full_segments()
        self.assertGreater(len(segments), 3)
        self.restart()
        self.assertEqual(self.metric("tidemark_scrub_damaged_segments"), 0)
        self.assertGreater(self.metric("tidemark_scrub_pass_bytes"), 3 * 60000)
        self.assertNotIn("scrub_finding", c.log(1))

        # A restart trusts footers, so it is the scrubber that finds both.
        flip_bit(segments[0].replace(".log", ".idx"), 100)
        flip_bit(segments[2], 30000)
        self.restart()
        self.assertEqual(self.metric("tidemark_scrub_damaged_segments"), 2)
        self.assertEqual(self.metric("tidemark_scrub_findings_total"), 2)
        found = [line for line in c.log(1).splitlines() if "scrub_finding" in line]
        self.assertEqual(len(found), 2, found)
        self.assertIn("stale sidecar", found[0])
        self.assertIn(os.path.basename(segments[2]), found[1])
        self.assertIn("tidemark log verify DIR --group", found[1])
        first, last = map(int, re.search(r"records of offsets (\d+) to (\d+) ", found[1]).groups())
        self.assertEqual(self.consume("earliest", 50), lines[:50 * SIZE])
        behind = last + 1
        self.assertEqual(self.consume(str(behind), 400 - behind), lines[behind * SIZE:])
        # Nobody else has the rotten ones: whoever wants them is told so, and tries again.
        asking = c.spawn("consume", "--topic", "t", "--from", str(first), stdout=subprocess.PIPE)
        wait_for("a refusal", lambda: re.search(r"event=read_failed .*is damaged at byte", c.log(1)))
        asking.kill()
        self.assertEqual(asking.communicate()[0], b"", "nothing wrong is served")

        # The sidecar is whole again.
        wait_for("the new sidecar", lambda: not glob.glob(os.path.join(c.dir, "data1", "g*", "*.tmp")))
        self.restart()
        self.assertEqual(self.metric("tidemark_scrub_damaged_segments"), 1)

    def test_a_rate_that_makes_no_sense_is_refused(self):
        c = self.cluster
        c.start(1, scrub_bytes_per_second=100)
        self.assertNotEqual(c.processes.pop(1).wait(timeout=30), 0)
        self.assertIn("scrub_bytes_per_second must be 0 (off) or at least 65536", c.log(1))
        c.start(1, scrub_bytes_per_second=0)
        wait_for("the node to be healthy", lambda: c.healthy(1))
        self.assertEqual(self.metric("tidemark_scrub_passes_total"), 0)


if __name__ == "__main__":
    unittest.main()
