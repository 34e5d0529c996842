#!/usr/bin/env python3
"""Every source of engine/, runtime/ and sim/ has its mirror test: a/b.cc <-> tests/a/b_test.cc."""

import pathlib
import sys

from common import Problem, exceptions, expect, main, sources

AREAS = ("engine", "runtime", "sim")
EXCEPTIONS = pathlib.Path("tools/lint/mirror_exceptions.txt")


def check(root):
    known = exceptions(root / EXCEPTIONS)
    problems = []
    files = set(sources(root, (".cc",)))
    for path in sorted(files):
        if path.parts[0] not in AREAS:
            continue
        mirror = pathlib.Path("tests") / path.with_name(path.stem + "_test.cc")
        has_mirror = mirror in files
        excepted = known.pop(str(path), None)
        if excepted and has_mirror:
            problems.append(Problem(EXCEPTIONS, excepted[0],
                                    f"{path} has a test now; remove this line"))
        elif excepted and not excepted[1]:
            problems.append(Problem(EXCEPTIONS, excepted[0], f"{path} needs a reason after it"))
        elif not excepted and not has_mirror:
            problems.append(Problem(path, 1, f"has no mirror test; write {mirror}, or name it with "
                                             f"a reason in {EXCEPTIONS}"))
    for path, (number, _) in known.items():
        problems.append(Problem(EXCEPTIONS, number, f"{path} does not exist; remove this line"))
    return problems


def self_test():
    listed = str(EXCEPTIONS)
    expect(check, {"engine/log/a.cc": "", "tests/engine/log/a_test.cc": "", "tools/x/main.cc": "",
                   "sim/main.cc": "", listed: "# why\nsim/main.cc  only parses flags\n"}, [])
    expect(check, {"engine/log/a.cc": ""}, [("engine/log/a.cc", "tests/engine/log/a_test.cc")])
    expect(check, {"runtime/io/a.cc": "", "tests/engine/io/a_test.cc": ""},
           [("runtime/io/a.cc", "no mirror test")])
    expect(check, {"sim/a.cc": "", listed: "sim/a.cc\n"}, [(listed, "needs a reason")])
    expect(check, {"sim/a.cc": "", "tests/sim/a_test.cc": "", listed: "sim/a.cc  because\n"},
           [(listed, "has a test now")])
    expect(check, {listed: "sim/gone.cc  because\n"}, [(listed, "does not exist")])


if __name__ == "__main__":
    sys.exit(main(check, self_test, __doc__))
