"""Three real nodes, one of which loses its data directory: it is refilled while produce goes on."""

import os
import shutil
import time
import unittest

from harness import ClusterTest, wait_for

SEGMENT = 64 << 10
KEPT = 1 << 20
LINE = b"x" * 999


def lines(first, count):
    return b"".join(b"%08d %s\n" % (i, LINE) for i in range(first, first + count))


class Refill(ClusterTest):

    def produce(self, first, count):
        """Returns how long it took."""
        began = time.monotonic()
        self.cluster.cli("produce", "--topic", "t", "--batch-bytes", "8192",
                         input=lines(first, count))
        return time.monotonic() - began

    def data_of(self, node):
        return os.path.join(self.cluster.dir, f"data{node}")

    def test_a_node_without_its_directory_is_refilled_while_produce_goes_on(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--segment-bytes", str(SEGMENT), "--retention-bytes",
              str(KEPT))
        self.produce(0, 5000)
        # Any but the one that all join by: that one has nobody to ask for the others' addresses.
        victim = c.ids[-1]
        c.kill(victim)
        shutil.rmtree(self.data_of(victim))
        calm = sorted(self.produce(5000 + 10 * i, 10) for i in range(20))
        c.start(victim)
        busy = sorted(self.produce(5200 + 10 * i, 10) for i in range(20))
        wait_for("the emptied node to have all", lambda: c.high_watermark(victim, "t") == 5400)
        print(f"ten records: median {calm[10]:.3f} s, slowest {calm[-1]:.3f} s before; "
              f"median {busy[10]:.3f} s, slowest {busy[-1]:.3f} s while it is refilled")
        described = c.topic("t", servers=c.address(victim))
        self.assertGreater(int(described["partitions"][0].get("start_offset", 0)), 0)
        out = c.cli("consume", "--topic", "t", "--from", "earliest", "--servers",
                    c.address(victim)).stdout
        self.assertTrue(lines(0, 5400).endswith(out))
        self.assertGreaterEqual(len(out), KEPT // 2)


if __name__ == "__main__":
    unittest.main()
