"""Three real nodes and a compacted topic: the last value of each key stays, the rest of the disk comes back."""

import json
import os
import re
import unittest

from harness import ClusterTest, wait_for

SEGMENT = 64 << 10
KEYS = 20
FILL = b"x" * 480


def lines(first, count):
    return b"".join(b"key%d:%08d %s\n" % (i % KEYS, i, FILL) for i in range(first, first + count))


class Compaction(ClusterTest):

    def group_bytes(self, node):
        """What the partition has on the disk of `node`."""
        group = int(self.cluster.topic("t")["partitions"][0]["group"])
        root = os.path.join(self.cluster.dir, f"data{node}")
        path = next(path for path, _, _ in os.walk(root)
                    if os.path.basename(path) == f"g{group:016x}")
        total = 0
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    total += entry.stat().st_size
                except FileNotFoundError:
                    pass  # it goes as we look
        return total

    def metric(self, node, name):
        page = self.cluster.https(node, "/metrics")
        text = page.decode() if isinstance(page, bytes) else str(page)
        found = re.search(rf"{name}\S* (\d+)", text)
        return int(found.group(1)) if found else 0

    def consume(self):
        """Records by offset, and what whoever reads them all knows in the end."""
        out = self.cluster.cli("consume", "--topic", "t", "--from", "earliest", "--format",
                               "json").stdout
        records = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([r["offset"] for r in records], sorted({r["offset"] for r in records}))
        return records, {r["key"]: r["value"] for r in records}

    def expected(self, count):
        return {
            f"key{i % KEYS}": ("%08d %s" % (i, FILL.decode()))
            for i in range(max(0, count - KEYS), count)
        }

    def produce(self, first, count):
        self.cluster.cli("produce", "--topic", "t", "--key-separator", ":", "--batch-bytes",
                         "4096", input=lines(first, count))

    def test_the_last_value_of_each_key_stays_and_disk_use_shrinks_through_restarts(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--segment-bytes", str(SEGMENT), "--cleanup-policy",
              "compact")
        total = 6000
        self.produce(0, total)
        written = total * len(lines(0, 1))
        # Every replica compacts on its own: twenty records, and the segments that are not full or
        # not worth it yet.
        for node in c.ids:
            wait_for(f"node {node} to use a fifth of {written} bytes",
                     lambda: self.group_bytes(node) < written / 5, seconds=60)
            self.assertGreater(self.metric(node, "tidemark_compaction_passes_total"), 0)
            self.assertGreater(self.metric(node, "tidemark_compaction_removed_records_total"), 0)
        records, state = self.consume()
        self.assertEqual(state, self.expected(total))
        self.assertLess(len(records), total / 4)
        self.assertEqual(records[-1]["offset"], total - 1)

        # Any but the one that all join by: that one has nobody to ask for the others' addresses.
        for victim in c.ids[1:]:
            c.kill(victim)
            c.start(victim)
            wait_for("the restarted node to catch up",
                     lambda: c.high_watermark(victim, "t") == total)
        self.assertEqual(self.consume()[1], self.expected(total))
        # It goes on: what is appended has its place behind all that ever was.
        self.produce(total, 1000)
        records, state = self.consume()
        self.assertEqual(state, self.expected(total + 1000))
        self.assertEqual(records[-1]["offset"], total + 999)

    def test_settings_are_told_bad_ones_and_records_without_key_refused(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--cleanup-policy", "compact,delete", "--retention-time",
              "7d", "--min-compaction-lag", "10m", "--tombstone-retention", "2d")
        described = c.cli("topic", "describe", "t").stdout
        self.assertIn(b"compacted by key, tombstones stay 2d, not before 600s, kept: 7d", described)
        told = c.topic("t")
        self.assertEqual(told["cleanup_policy"], "CLEANUP_POLICY_COMPACT_DELETE")
        self.assertEqual(told["min_compaction_lag_ms"], 600000)
        for flags, why in (
            (["--cleanup-policy", "squash"], b"--cleanup-policy"),
            (["--cleanup-policy", "compact", "--min-compaction-lag", "soon"],
             b"--min-compaction-lag"),
            (["--cleanup-policy", "compact", "--tombstone-retention", "7"],
             b"--tombstone-retention"),
            (["--cleanup-policy", "compact", "--retention-time", "7d"], b"compact,delete"),
            (["--tombstone-retention", "7d"], b"tombstone_retention_ms"),
        ):
            bad = c.cli("topic", "create", "u", *flags, check=False)
            self.assertNotEqual(bad.returncode, 0, flags)
            self.assertIn(why, bad.stderr, flags)
        keyless = c.cli("produce", "--topic", "t", input=b"no key\n", check=False)
        self.assertNotEqual(keyless.returncode, 0)
        self.assertIn(b"has no key", keyless.stderr)


if __name__ == "__main__":
    unittest.main()
