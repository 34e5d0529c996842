"""tidemark-sim as a person uses it: what it says, what it writes, and its exit codes."""

import os
import subprocess
import unittest

BIN = os.path.join(os.environ.get("TIDEMARK_BIN_DIR", "build/dev/bin"), "tidemark-sim")


def sim(*args, timeout=120):
    return subprocess.run([BIN, *args], capture_output=True, timeout=timeout, text=True,
                          stdin=subprocess.DEVNULL)


class CommandLine(unittest.TestCase):

    def test_nonsense_is_refused_by_name_with_the_usage(self):
        for args, says in [
            ([], "what to do?"),
            (["dance"], "do not understand dance"),
            (["run"], "which seeds?"),
            (["run", "--seeds", "9..1"], "--seeds wants A..B with A <= B"),
            (["run", "--seeds", "1", "--jobs", "0"], "--jobs wants a whole number of at least 1"),
            (["replay"], "which seed?"),
            (["replay", "--seed", "1", "--loud"], "do not understand --loud"),
        ]:
            result = sim(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(f"tidemark-sim: {says}", result.stderr)
            self.assertIn("usage:\n  tidemark-sim run", result.stderr)

    def test_replay_tells_the_story_of_a_seed(self):
        result = sim("replay", "--seed", "3", "--verbose")
        self.assertEqual(result.returncode, 0, result.stdout[-500:])
        self.assertIn("seed 3: ", result.stdout)
        self.assertIn("the last fault is over", result.stdout)
        self.assertRegex(result.stdout, r"seed 3 hash [0-9a-f]{16} ok")


if __name__ == "__main__":
    unittest.main()
