"""Runs raft-conformance over the scripts of etcd-io/raft, where they are present: in
$TIDEMARK_CONFORMANCE_DIR/etcd-raft, otherwise ../shared/conformance/etcd-raft. Absent: skipped.
With --self-test it plants scripts with a wrong expectation and fails unless each is noticed: by
hand, and line by line in a script of our own."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

SKIPPED = 77
# What must pass.
FAMILIES = ("quorum", "confchange", "interaction")
SAMPLE = pathlib.Path(__file__).parent / "interaction_sample.txt"
TOOL = pathlib.Path(os.environ.get("TIDEMARK_BIN_DIR", "build/dev/bin")) / "raft-conformance"


def run(files):
    return subprocess.run([TOOL, *files], capture_output=True, text=True, timeout=50)


def scripts():
    source = pathlib.Path(os.environ.get("TIDEMARK_SOURCE_DIR", "."))
    shared = os.environ.get("TIDEMARK_CONFORMANCE_DIR", source / ".." / "shared" / "conformance")
    folder = pathlib.Path(shared) / "etcd-raft"
    if not folder.is_dir():
        print(f"SKIPPED: {folder} is absent, nothing was compared")
        return SKIPPED
    files = [file for family in FAMILIES for file in sorted((folder / family).glob("*.txt"))]
    result = run(files)
    print(result.stdout, result.stderr, sep="")
    passed = result.stdout.count("pass ")
    print(f"{passed} of {len(files)} scripts pass")
    return result.returncode if passed == len(files) > 0 else result.returncode or 1


def self_test():
    right = {
        "committed.txt": "committed cfg=(1,2) idx=(7,9)\n----\n      idx\n>       7    (id=1)\n"
                         "x>      9    (id=2)\n7\n",
        "vote.txt": "vote cfg=(1) cfgj=(2) votes=(y,n)\n----\nVoteLost\n",
        "change.txt": "simple\nv5\n----\nvoters=(5)\n5: StateProbe match=0 next=1\n",
    }
    wrong = {
        "committed.txt": ("(id=2)\n7\n", "(id=2)\n9\n", 1),
        "vote.txt": ("VoteLost", "VotePending", 1),
        # Only the spaces between two words differ.
        "change.txt": ("match=0 next", "match=0  next", 1),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, text in right.items():
            path = pathlib.Path(folder) / name
            path.write_text(text)
            result = run([path])
            assert (result.returncode, result.stdout[:5]) == (0, "pass "), result
            before, after, line = wrong[name]
            assert before in text
            path.write_text(text.replace(before, after))
            result = run([path])
            assert result.returncode == 1, result
            assert result.stdout.startswith(f"differ {path}:{line} "), result
        unknown = pathlib.Path(folder) / "unknown.txt"
        unknown.write_text("what 3\n----\nok\n")
        result = run([unknown])
        assert result.returncode == 3 and result.stdout.startswith("unsupported "), result
        result = run([pathlib.Path(folder) / "absent.txt"])
        assert result.returncode == 2 and "cannot read" in result.stderr, result
    check_sample()
    return 0


def expected_lines(text):
    """Positions of the lines that outputs are made of, but for the script's own "ok"."""
    within = False
    for position, line in enumerate(text):
        if line == "----" or not line:
            within = line == "----"
        elif within and line != "ok":
            yield position


def check_sample():
    """Every line of the sample's outputs matters: gone, or with its last number one higher."""
    text = SAMPLE.read_text().split("\n")
    wrong = []
    for position in expected_lines(text):
        wrong.append(text[:position] + text[position + 1:])
        more = re.sub(r"(\d+)(?=\D*$)", lambda digits: str(int(digits[0]) + 1), text[position])
        if more != text[position]:
            wrong.append(text[:position] + [more] + text[position + 1:])
    assert len(wrong) > 500, len(wrong)
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / f"{number}.txt" for number in range(len(wrong))]
        for path, lines in zip(paths, wrong):
            path.write_text("\n".join(lines))
        assert run([SAMPLE]).returncode == 0, run([SAMPLE])
        verdicts = [line for line in run(paths).stdout.split("\n")
                    if line.startswith(("pass ", "differ ", "unsupported "))]
        assert len(verdicts) == len(wrong), (len(verdicts), len(wrong))
        passed = [line for line in verdicts if not line.startswith("differ ")]
        assert not passed, passed


if __name__ == "__main__":
    sys.exit(self_test() if "--self-test" in sys.argv[1:] else scripts())
