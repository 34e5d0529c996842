"""tidemark-sim as a person uses it: what it says, what it writes, and its exit codes."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.path.join(os.environ.get("TIDEMARK_BIN_DIR", "build/dev/bin"), "tidemark-sim")


def sim(*args, timeout=120):
    return subprocess.run([BIN, *args], capture_output=True, timeout=timeout, text=True,
                          stdin=subprocess.DEVNULL)


class CommandLine(unittest.TestCase):

    def test_nonsense_is_refused_by_name_with_the_usage(self):
        for args, says in [
            ([], "what to do?"),
            (["dance"], "do not understand dance"),
            (["run"], "which seeds, or for how many minutes?"),
            (["run", "--seeds", "1", "--profile", "sworm"], 'no profile is named "sworm"'),
            (["run", "--seeds", "1", "--profile", "upgrade"],
             "profile upgrade waits for a second format"),
            (["run", "--seeds", "9..1"], "--seeds wants A..B with A <= B"),
            (["run", "--seeds", "1", "--jobs", "0"], "--jobs wants a whole number of at least 1"),
            (["replay"], "which seed, or which scenario file?"),
            (["replay", "--seed", "1", "a.json"], "which seed, or which scenario file?"),
            (["replay", "no-such-file.json"], "cannot read no-such-file.json"),
            (["replay", "--seed", "1", "--loud"], "do not understand --loud"),
            (["timeline", "-o", "x.html"], "which seed, or which scenario file?"),
            (["timeline", "--seed", "1"], "-o wants the name of the page to write"),
        ]:
            result = sim(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(f"tidemark-sim: {says}", result.stderr)
            self.assertIn("usage:\n  tidemark-sim run", result.stderr)

    def test_whoever_asks_is_told_how_it_is_used(self):
        for args in (["--help"], ["-h"], ["help"], ["run", "--help"]):
            result = sim(*args)
            self.assertEqual(result.returncode, 0, args)
            self.assertTrue(result.stdout.startswith("usage:\n  tidemark-sim run"), args)
            self.assertEqual(result.stderr, "")

    def test_replay_tells_the_story_of_a_seed(self):
        result = sim("replay", "--seed", "3", "--verbose")
        self.assertEqual(result.returncode, 0, result.stdout[-500:])
        self.assertIn("seed 3: ", result.stdout)
        self.assertIn("the last fault is over", result.stdout)
        self.assertRegex(result.stdout, r"seed 3 hash [0-9a-f]{16} ok")

    def test_a_failure_is_one_line_and_a_file_that_replays(self):
        with tempfile.TemporaryDirectory() as folder:
            found = sim("run", "--seeds", "1..6", "--canary", "--keep-going", "--failures", folder)
            self.assertEqual(found.returncode, 1, found.stdout)
            lines = re.findall(r"  (tidemark-sim replay --seed (\d+) --profile swarm --canary)  "
                               r"# version \S+, trace hash ([0-9a-f]{16}), (\d+) events",
                               found.stdout)
            self.assertGreater(len(lines), 1, found.stdout)
            # The shortest is the last one said.
            events = [int(line[3]) for line in lines]
            self.assertEqual(events, sorted(events, reverse=True))
            command, seed, trace_hash, _ = lines[-1]
            again = sim(*command.split()[1:])
            self.assertEqual(again.returncode, 1)
            self.assertIn(f"seed {seed} hash {trace_hash} FAILED canary: ", again.stdout)
            recorded = sim("replay", f"{folder}/swarm-{seed}.json")
            self.assertEqual(recorded.returncode, 1)
            self.assertIn(f"seed {seed} hash {trace_hash} FAILED canary: ", recorded.stdout)
            self.assertNotIn("not come to any more", recorded.stdout)

    def test_an_oracle_that_is_muted_is_not_listened_to(self):
        with tempfile.TemporaryDirectory() as folder:
            found = sim("run", "--seeds", "1..6", "--canary", "--mute", "canary", "--failures",
                        folder)
            self.assertEqual(found.returncode, 0, found.stdout)
            # Of another one it makes no difference, and the command to replay says so.
            found = sim("run", "--seeds", "1..6", "--canary", "--mute", "scrub", "--failures",
                        folder)
            self.assertEqual(found.returncode, 1, found.stdout)
            self.assertIn("--canary --mute scrub", found.stdout)
            replayed = sim("replay", "--seed", "2", "--canary", "--mute", "canary")
            self.assertEqual(replayed.returncode, 0, replayed.stdout[-500:])
            unknown = sim("run", "--seeds", "1..2", "--mute", "nobody")
            self.assertEqual(unknown.returncode, 2)
            self.assertIn("--mute: there is no oracle 'nobody', but access, acked_durability",
                          unknown.stderr)

    def test_replay_stops_where_it_is_told_and_writes_what_it_saw(self):
        with tempfile.TemporaryDirectory() as folder:
            trace, saved = f"{folder}/trace.txt", f"{folder}/saved.json"
            result = sim("replay", "--seed", "3", "--until", "3000", "--trace", trace,
                         "--save", saved)
            self.assertEqual(result.returncode, 0, result.stdout[-500:])
            self.assertIn("stopped at step 3000\n", result.stdout)
            self.assertRegex(result.stdout, r"group 0: (leader|follower) in term \d+")
            steps = [int(n) for n in re.findall(r"^#(\d+) ", pathlib.Path(trace).read_text(), re.M)]
            self.assertEqual(steps, sorted(steps))
            self.assertLessEqual(steps[-1], 3000)
            again = sim("replay", saved, "--until", "3000")
            self.assertEqual(result.stdout.split("stopped")[1], again.stdout.split("stopped")[1])

    def test_recorded_decisions_that_are_not_come_to_are_named(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"format": "tidemark-scenario-1",
                       "phases": {"fault_phase": "1s"},
                       "decisions": {"message_lost": {"1": "5"},
                                     "clock_rate": {"0": "0=7"}}}, file)
            file.flush()
            result = sim("replay", file.name)
        self.assertEqual(result.returncode, 0, result.stdout[-500:])
        self.assertIn("1 recorded decisions are not come to any more:\n  message_lost actor 1 "
                      "count 5\n", result.stdout)
        self.assertIn("1 recorded decisions are out of range, the nearest is taken:\n  clock_rate "
                      "actor 0 count 0: 7\n", result.stdout)

    def test_a_failure_shrinks_itself_to_a_scenario_that_replays(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/small.json"
            shrunk = sim("shrink", "--seed", "2", "--canary", "-o", path, timeout=280)
            self.assertEqual(shrunk.returncode, 0, shrunk.stderr)
            self.assertIn(f"tidemark-sim replay {path}\n", shrunk.stdout)
            replayed = sim("replay", path)
            self.assertEqual(replayed.returncode, 1)
            self.assertIn("FAILED canary: ", replayed.stdout)
            # A person changes it: without its decisions all is well.
            scenario = json.loads(pathlib.Path(path).read_text())
            self.assertEqual(scenario["outcome"]["oracle"], "canary")
            scenario["decisions"] = {}
            pathlib.Path(path).write_text(json.dumps(scenario))
            healed = sim("replay", path)
            self.assertEqual(healed.returncode, 0, healed.stdout[-500:])
            self.assertIn("canary spoke when it was written, now all is well", healed.stdout)
        refused = sim("shrink", "--seed", "3", "-o", "/dev/null")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("nothing to shrink: all is well", refused.stderr)

    def test_an_audit_compares_two_worlds_step_by_step(self):
        result = sim("audit", "--seeds", "1..2")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("2 seeds, each in two worlds: every step and every byte the same\n",
                      result.stdout)
        with tempfile.TemporaryDirectory() as folder:
            a, b = f"{folder}/a.json", f"{folder}/b.json"
            sim("replay", "--seed", "3", "--save", a)
            self.assertEqual(sim("audit", a).returncode, 0)
            # Planted: one decision is another one.
            scenario = json.loads(pathlib.Path(a).read_text())
            lost = scenario["decisions"]["step_delay"]["1"]
            lost[0] = lost[0].rsplit(" ", 1)[0]
            pathlib.Path(b).write_text(json.dumps(scenario))
            parted = sim("audit", a, b)
            self.assertEqual(parted.returncode, 1, parted.stdout)
            self.assertRegex(parted.stdout, r"two worlds part at step \d+\none world:\n")
            self.assertIn("decided step_delay actor 1 count ", parted.stdout)

    def test_the_scenario_in_the_documentation_does_what_it_says(self):
        text = (ROOT / "sim" / "SCENARIO.md").read_text()
        example = re.search(r"^    \{\n(?:    .*\n)+", text, re.M).group(0)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(example)
            file.flush()
            result = sim("replay", file.name)
        self.assertEqual(result.returncode, 1, result.stderr or result.stdout[-500:])
        self.assertIn("FAILED canary: ", result.stdout)
        self.assertNotIn("not come to any more", result.stdout)
        sites = re.findall(r'Site::k\w+, "(\w+)", Default', (ROOT / "sim" / "site.cc").read_text())
        self.assertGreater(len(sites), 40)
        for site in sites:
            self.assertIn(f"`{site}`", text)

    def test_a_campaign_of_minutes_needs_no_seeds(self):
        result = sim("run", "--seeds", "1..3", "--minutes", "1", "--profile", "network")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("3 seeds in ", result.stdout)
    def test_timeline_says_when_it_cannot_write_its_page(self):
        result = sim("timeline", "--seed", "3", "-o", os.path.join(BIN, "page.html"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write", result.stderr)


if __name__ == "__main__":
    unittest.main()
