"""tools/soak: a line per run, seeds that go on where they ended, and a stop at the first failure."""

import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOAK = str(ROOT / "tools" / "soak")

# Stands in for the simulator: what it was asked goes to a file, what it says is a campaign's words.
FAKE = """#!/bin/bash
echo "$*" >>{folder}/asked
count=$(wc -l <{folder}/asked)
echo "faults:  pause=1"
echo "250 seeds in 0.5 s: 500.0 seeds/s (30000 a minute), 3500 s simulated, 7000 simulated s per" \\
  "wall s, 90 batches acknowledged, 1234 events"
if ((count == {fails_at})); then
  echo "  tidemark-sim replay --seed 7 --profile crash  # version 1"
  echo FAILED
  exit 1
fi
echo "all well"
"""


class Soak(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def soak(self, *args, fails_at=4, **env):
        sim = self.folder / "sim"
        sim.write_text(FAKE.format(folder=self.folder, fails_at=fails_at))
        sim.chmod(sim.stat().st_mode | stat.S_IXUSR)
        return subprocess.run([SOAK, *args], env={**os.environ, "TIDEMARK_SIM": str(sim), **env},
                              capture_output=True, text=True, timeout=60)

    def test_profiles_take_turns_until_one_fails(self):
        results = self.folder / "soak.tsv"
        run = self.soak("1", str(results), TIDEMARK_SOAK_PROFILES="swarm crash")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("tidemark-sim replay --seed 7 --profile crash", run.stdout)
        head, *lines = [line.split("\t") for line in results.read_text().splitlines()]
        rows = [dict(zip(head, line)) for line in lines]
        self.assertEqual([row["profile"] for row in rows], ["swarm", "crash", "swarm", "crash"])
        self.assertEqual([row["ended"] for row in rows], ["well", "well", "well", "FAILED"])
        self.assertEqual((rows[0]["seeds"], rows[0]["seconds"], rows[0]["simulated"],
                          rows[0]["acks"], rows[0]["events"]),
                         ("250", "0.5", "3500", "90", "1234"))
        # Seeds are not run twice.
        self.assertEqual(rows[0]["first"], "1")
        self.assertEqual(rows[2]["first"], rows[0]["next"])
        self.assertGreater(int(rows[0]["next"]), 250)
        asked = (self.folder / "asked").read_text().splitlines()
        self.assertIn("--profile swarm --seeds 1..", asked[0])
        self.assertIn(f"--profile crash --seeds {rows[1]['next']}..", asked[3])

    def test_a_second_soak_goes_on_where_the_first_ended(self):
        results = self.folder / "soak.tsv"
        self.soak("1", str(results), fails_at=1)
        before = results.read_text().splitlines()
        self.soak("1", str(results), fails_at=2)
        after = results.read_text().splitlines()
        self.assertEqual(after[:2], before)
        self.assertEqual(len(after), 3)
        self.assertEqual(after[2].split("\t")[3], before[1].split("\t")[4])

    def test_nonsense_is_refused(self):
        for args in [(), ("0",), ("soon",), ("1", "2", "3")]:
            run = self.soak(*args)
            self.assertEqual(run.returncode, 2, args)
            self.assertIn("usage: tools/soak MINUTES [RESULTS]", run.stderr)
        run = self.soak("1", TIDEMARK_SIM="/nowhere/tidemark-sim")
        self.assertEqual(run.returncode, 2)
        self.assertIn("there is no /nowhere/tidemark-sim; build it", run.stderr)


if __name__ == "__main__":
    unittest.main()
