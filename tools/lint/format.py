#!/usr/bin/env python3
"""clang-format decides how C++ looks."""

import subprocess
import sys

from common import Problem, expect, main, sources

CLANG_FORMAT = "clang-format-19"
STYLE = "{BasedOnStyle: Google, ColumnLimit: 100}"


def run(root, style):
    names = [str(path) for path in sources(root)]
    result = subprocess.run([CLANG_FORMAT, "--dry-run", "-Werror", style, *names],
                            cwd=root, capture_output=True, text=True) if names else None
    if result is None or result.returncode == 0:
        return []
    seen = {}
    for line in result.stderr.splitlines():
        parts = line.split(":")
        if len(parts) > 3 and parts[1].isdigit():
            seen.setdefault(parts[0], int(parts[1]))
    if not seen:
        sys.exit(f"{CLANG_FORMAT} failed: {result.stderr}")
    return [Problem(name, line, f"is not formatted; run {CLANG_FORMAT} -i {name}")
            for name, line in sorted(seen.items())]


def check(root):
    return run(root, "--style=file")


def self_test():
    def planted(root):
        return run(root, "--style=" + STYLE)
    expect(planted, {"sim/a.cc": "int main() { return 0; }\n"}, [])
    expect(planted, {"sim/a.cc": "int  main( ) {return 0;}\n"}, [("sim/a.cc", "not formatted")])


if __name__ == "__main__":
    sys.exit(main(check, self_test, __doc__))
