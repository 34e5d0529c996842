#!/usr/bin/env python3
"""clang-tidy over the sources of a compile database: tidy.py BUILD_DIR [FOLDER...].

A source that was clean is not looked at again until it, its compile command, the rules or any header
of the repository change: BUILD_DIR/tidy holds a mark for each.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from common import REPOSITORY

CLANG_TIDY = "clang-tidy-19"


def tidy(build, source):
    """(exit code, output) of one file."""
    # The compile database may be gcc's: clang does not know all of its warnings, and libstdc++ 12
    # itself uses what it declares deprecated.
    result = subprocess.run([CLANG_TIDY, "--quiet", "-p", str(build), "--warnings-as-errors=*",
                             "--extra-arg=-Wno-unknown-warning-option",
                             "--extra-arg=-Wno-deprecated-declarations", str(source)],
                            capture_output=True, text=True)
    return result.returncode, result.stdout


def digest(*parts):
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def common_state(root, build):
    """What the verdict on every source depends on."""
    version = subprocess.run([CLANG_TIDY, "--version"], capture_output=True, check=True).stdout
    headers = sorted(h for folder in root.iterdir() if folder.is_dir() and folder != build.parent
                     and folder.name != ".git" for h in folder.rglob("*.h"))
    generated = sorted((build / "generated").rglob("*.h"))
    return digest(version, (root / ".clang-tidy").read_bytes(), pathlib.Path(__file__).read_bytes(),
                  *(part for h in headers + generated
                    for part in (str(h).encode(), h.read_bytes()))).encode()


def run(build, root, folders, jobs):
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        entries = json.load(file)
    # Entries may be relative to their folder; generated sources lie outside the tree and are skipped.
    commands = {pathlib.Path(e["directory"], e["file"]).resolve(): e["command"] for e in entries}
    wanted = sorted(f for f in commands for folder in folders
                    if f.is_relative_to(root / folder) and not f.is_relative_to(build))
    marks = build / "tidy"
    marks.mkdir(exist_ok=True)
    common = common_state(root, build)
    mark_of = {f: marks / digest(common, commands[f].encode(), f.read_bytes()) for f in wanted}
    todo = [f for f in wanted if not mark_of[f].exists()]
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for source, (code, text) in zip(todo, pool.map(lambda f: tidy(build, f), todo)):
            if code == 0:
                mark_of[source].touch()
                continue
            failures += 1
            print(f"{source.relative_to(root)}: clang-tidy objects; fix it, or use "
                  f"NOLINT(check-name) with a reason\n{text}")
    for mark in set(marks.iterdir()) - set(mark_of.values()):
        mark.unlink()
    print(f"clang-tidy: {len(wanted)} files, {len(wanted) - len(todo)} of them unchanged since they "
          f"were clean, {failures} with findings", flush=True)
    return len(wanted), failures


def self_test(jobs):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name).resolve()
        (root / ".clang-tidy").write_text((REPOSITORY / ".clang-tidy").read_text())
        build = root / "build"
        for folder in (build, root / "engine"):
            folder.mkdir()
        moved = "#include <string>\n#include <utility>\n" \
                "int F(std::string s) { std::string t = std::move(s); return s.size() + t.size(); }\n"
        good = "int F(int a) { return a + 1; }\n"
        included = '#include "h.h"\n'
        # (the source, the header it may include, findings): what was clean must not hide what is not.
        for source, header, expected in ((good, "", 0), (moved, "", 1), (good, "", 0),
                                         (included, "", 0), (included, moved, 1)):
            (root / "engine/a.cc").write_text(source)
            (root / "engine/h.h").write_text(header)
            (build / "compile_commands.json").write_text(json.dumps([{
                "directory": str(root), "file": f"{root}/engine/a.cc",
                "command": f"clang++-19 -std=c++20 -c {root}/engine/a.cc"}]))
            if run(build, root, ["engine"], jobs) != (1, expected):
                sys.exit(f"self-test: expected {expected} finding(s) in {source!r} with {header!r}")
    print("self-test passed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", type=pathlib.Path)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        self_test(arguments.jobs)
        return 0
    if arguments.build is None:
        parser.error("name a build folder")
    files, failures = run(arguments.build.resolve(), REPOSITORY, arguments.folders or ["engine"],
                          arguments.jobs)
    if files == 0:
        print("clang-tidy: no file of these folders is in the compile database")
    return 1 if failures or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
