#!/usr/bin/env python3
"""clang-tidy over the sources of a compile database: tidy.py BUILD_DIR [FOLDER...]."""

import argparse
import concurrent.futures
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
    result = subprocess.run([CLANG_TIDY, "--quiet", "-p", str(build), "--warnings-as-errors=*",
                             str(source)], capture_output=True, text=True)
    return result.returncode, result.stdout


def run(build, root, folders, jobs):
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        entries = json.load(file)
    # Entries may be relative to their folder; generated sources lie outside the tree and are skipped.
    files = sorted({pathlib.Path(e["directory"], e["file"]).resolve() for e in entries})
    wanted = [f for f in files for folder in folders
              if f.is_relative_to(root / folder) and not f.is_relative_to(build)]
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for source, (code, text) in zip(wanted, pool.map(lambda f: tidy(build, f), wanted)):
            if code != 0:
                failures += 1
                print(f"{source.relative_to(root)}: clang-tidy objects; fix it, or use "
                      f"NOLINT(check-name) with a reason\n{text}")
    print(f"clang-tidy: {len(wanted)} files, {failures} with findings", flush=True)
    return len(wanted), failures


def self_test(jobs):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name).resolve()
        (root / ".clang-tidy").write_text((REPOSITORY / ".clang-tidy").read_text())
        build = root / "build"
        for folder in (build, root / "engine"):
            folder.mkdir()
        bad = "#include <string>\n#include <utility>\n" \
              "int F(std::string s) { std::string t = std::move(s); return s.size() + t.size(); }\n"
        good = "int F(int a) { return a + 1; }\n"
        for text, expected in ((good, 0), (bad, 1)):
            (root / "engine/a.cc").write_text(text)
            (build / "compile_commands.json").write_text(json.dumps([{
                "directory": str(root), "file": "engine/a.cc",
                "command": "clang++-19 -std=c++20 -c engine/a.cc"}]))
            if run(build, root, ["engine"], jobs) != (1, expected):
                sys.exit(f"self-test: expected {expected} finding(s) in {text!r}")
    print("self-test passed")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", nargs="?", type=pathlib.Path)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        self_test(arguments.jobs)
        return 0
    if arguments.build is None:
        parser.error("name a build folder configured with clang")
    files, failures = run(arguments.build.resolve(), REPOSITORY, arguments.folders or ["engine"],
                          arguments.jobs)
    if files == 0:
        print("clang-tidy: no file of these folders is in the compile database")
    return 1 if failures or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
