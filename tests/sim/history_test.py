"""Histories judged from outside: a checker that knows HISTORY.md and nothing else finds nothing in
what the simulator writes, and finds each lie that is planted in it."""

import bisect
import collections
import json
import os
import subprocess
import tempfile
import unittest

BIN = os.path.join(os.environ.get("TIDEMARK_BIN_DIR", "build/dev/bin"), "tidemark-sim")


def judge(lines):
    """What is wrong with one run's history, as a list of sentences."""
    wrong, invoked, produced = [], {}, {}
    at = collections.defaultdict(dict)  # group -> offset -> record, as anybody was told
    position, last_time = {}, 0
    acked = collections.defaultdict(list)  # group -> (time, the highest end that was told by then)
    begin, end = lines[0], lines[-1]
    if begin["type"] != "begin" or end["type"] != "end":
        return ["does not begin and end"]

    def note(group, time, end):
        acked[group].append((time, max(end, acked[group][-1][1] if acked[group] else 0)))

    def known(group, time):
        i = bisect.bisect_left(acked[group], (time,))
        return acked[group][i - 1][1] if i > 0 else 0

    def tell(group, offset, record):
        if at[group].setdefault(offset, record) != record:
            wrong.append(f"{record} and {at[group][offset]} are both at {group}:{offset}")

    for line in lines[1:-1]:
        if line["time_ns"] < last_time:
            wrong.append("time goes back")
        last_time = line["time_ns"]
        if line["type"] == "invoke":
            invoked[line["op"]] = line
            if line["f"] == "read":
                pass
            elif line["f"] == "produce":
                for i in range(line["records"]):
                    produced[(line["producer"], line["sequence"] + i)] = line["keys"][i]
            elif line["position"] < position.get(line["process"], 0):
                wrong.append(f"consumer {line['process']} goes back")
            continue
        call = invoked.pop(line["op"], None)
        if call is None:
            wrong.append(f"operation {line['op']} is answered twice, or never began")
        elif line["type"] == "ok" and line["f"] == "produce":
            for i in range(line["records"]):
                tell(line["group"], line["offset"] + i, (line["producer"], line["sequence"] + i))
            note(line["group"], line["time_ns"], line["offset"] + line["records"])
        elif line["f"] == "read":
            if line["type"] != "ok":
                continue
            exact = line["consistency"] == "linearizable"
            since = call["time_ns"] if exact else line["time_ns"] - line["age_ns"]
            if line["end"] < known(line["group"], since):
                wrong.append(f"a {line['consistency']} read ends at {line['end']}, although "
                             f"{known(line['group'], since)} was told before")
            if exact:
                note(line["group"], line["time_ns"], line["end"])
        elif line["type"] == "ok":
            wanted = call["position"]
            for offset, key in zip(line["offsets"], line["keys"]):
                record = (line["producer"], line["sequence"] + offset - line["base_offset"])
                if offset < wanted or (offset > wanted and not begin["compacted"]):
                    wrong.append(f"{offset} is delivered when {wanted} is next")
                wanted = offset + 1
                if produced.get(record, False) != key:
                    wrong.append(f"{record} with key {key} is delivered and was not produced")
                tell(line["group"], offset, record)
            position[line["process"]] = wanted
        elif line["type"] == "fail" and not begin["retention"]:
            wrong.append("records are removed and nobody asked for it")
    wrong += [f"operation {op} is never answered" for op in invoked]
    for group, records in at.items():
        if len(set(records.values())) != len(records):
            wrong.append(f"group {group} has a record twice")
    return wrong


def histories(*args):
    """The lines of each run, by seed."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/history.jsonl"
        result = subprocess.run([BIN, *args, "--history", path], capture_output=True, text=True,
                                timeout=280, stdin=subprocess.DEVNULL)
        assert result.returncode == 0, result.stdout[-2000:]
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
    runs = collections.defaultdict(list)
    for line in lines:
        runs[line["seed"]].append(line)
    return runs


class HistoryFromOutside(unittest.TestCase):

    def test_nothing_is_wrong_with_what_the_log_promised(self):
        runs = histories("run", "--seeds", "1..24", "--jobs", "2")
        self.assertEqual(sorted(runs), list(range(1, 25)))
        seen = collections.Counter()
        for seed, lines in runs.items():
            self.assertEqual(judge(lines), [], f"seed {seed}")
            for line in lines[1:-1]:
                seen[(line["f"], line["type"])] += 1
            seen["compacted"] += lines[0]["compacted"]
        for what in [("produce", "ok"), ("consume", "ok"), ("consume", "info"), ("read", "ok"),
                     ("read", "fail"), ("read", "info"), "compacted"]:
            self.assertGreater(seen[what], 0, what)

    def test_a_replay_writes_the_same_history(self):
        campaign = histories("run", "--seeds", "3..3")[3]
        self.assertEqual(histories("replay", "--seed", "3")[3], campaign)

    def test_lies_are_found(self):
        lines = histories("replay", "--seed", "3")[3]
        oks = [i for i, line in enumerate(lines) if line["type"] == "ok" and line["f"] == "produce"]
        gets = [i for i, line in enumerate(lines) if line["type"] == "ok" and line["f"] == "consume"]

        reads = {how: [i for i, line in enumerate(lines) if line["type"] == "ok" and
                       line["f"] == "read" and line["consistency"] == how]
                 for how in ("linearizable", "bounded")}

        def change(index, **members):
            return lines[:index] + [{**lines[index], **members}] + lines[index + 1:]

        middle = lines[gets[len(gets) // 2]]
        for name, lie in {
            "an offset twice": change(oks[5], offset=lines[oks[4]]["offset"]),
            "a lost delivery": [line for line in lines if line is not middle],
            "a foreign record": change(gets[3], producer="1"),
            "a wrong order": change(gets[3], offsets=[o + 1 for o in lines[gets[3]]["offsets"]]),
            "an answer to nobody": lines[:-1] + [lines[oks[2]], lines[-1]],
            "a stale read": change(reads["linearizable"][-1], end=0),
            "a staler read than it says": change(reads["bounded"][-1], end=0, age_ns=0),
        }.items():
            self.assertNotEqual(judge(lie), [], name)


if __name__ == "__main__":
    unittest.main()
