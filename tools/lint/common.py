"""What the repository checks share: the list of sources, the report, and the self-test harness.

Each check is a program `check.py [--root DIR]` that prints `file:line: what is wrong; what to do`
and exits 1 when it found something. `check.py --self-test` plants violations in a temporary tree
and fails unless each is found, and unless a clean tree stays clean: a check that cannot fail is
worse than none.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SOURCE_FOLDERS = ("engine", "proto", "runtime", "sim", "tools", "tests", "fuzz", "bench")


class Problem:
    """One finding, printed as compilers do so that editors can jump to it."""

    def __init__(self, path, line, text):
        self.path, self.line, self.text = str(path), line, text

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


def tracked_files(root):
    """Files git knows or would add, as paths relative to root; all files where there is no git."""
    if (root / ".git").exists() and shutil.which("git"):
        listing = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout
        names = [pathlib.Path(name) for name in listing.split("\0") if name]
        return sorted(name for name in names if (root / name).is_file())
    return sorted(p.relative_to(root) for p in root.rglob("*")
                  if p.is_file() and p.relative_to(root).parts[0] not in ("build", ".git"))


def sources(root, suffixes=(".h", ".cc")):
    """C++ sources of the repository's own folders, relative to root."""
    return [p for p in tracked_files(root)
            if p.suffix in suffixes and p.parts[0] in SOURCE_FOLDERS]


def read(root, path):
    return (root / path).read_text(encoding="utf-8", errors="replace")


def without_comments(text):
    """Blanks comments and the inside of string literals, keeping line numbers."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + found[-1]
        return "\n" * found.count("\n")
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


def exceptions(path):
    """Lines `subject  reason`; '#' starts a comment. Returns {subject: (line number, reason)}."""
    result = {}
    if path.exists():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                subject, _, reason = line.strip().partition(" ")
                result[subject] = (number, reason.strip())
    return result


def write(root, name, text):
    """Plants a file; for self-tests."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def expect(check, files, wanted):
    """Runs `check(root)` on a tree of `files` and dies unless exactly `wanted` was found.

    `wanted` is a list of (path, part of the message).
    """
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            write(root, name, text)
        found = check(root)
    rest = list(found)
    for path, text in wanted:
        hits = [p for p in rest if p.path == path and text in p.text]
        if not hits:
            sys.exit(f"self-test: no problem '{text}' in {path}; found {[str(p) for p in found]}")
        rest.remove(hits[0])
    if rest:
        sys.exit(f"self-test: unexpected {[str(p) for p in rest]} in {sorted(files)}")


def main(check, self_test, description):
    """The command line every check has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=pathlib.Path, default=REPOSITORY)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        self_test()
        print("self-test passed")
        return 0
    problems = check(arguments.root)
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problem(s)")
    return 1 if problems else 0
