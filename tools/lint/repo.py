#!/usr/bin/env python3
"""Rules of the house: no unfinished marks, sleeps, machine paths, hash iteration; sizes; pragma."""

import pathlib
import re
import sys

from common import Problem, exceptions, expect, main, read, sources, tracked_files, without_comments

LINES_MAX = {".cc": 600, ".h": 400}
SIZE_EXCEPTIONS = pathlib.Path("tools/lint/size_exceptions.txt")

# Assembled, so that this file does not contain what it forbids.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|SleepFor)\b|(?<![\w.>])sleep\s*\(")
MACHINE_PATH = re.compile(r"""["'\s=(](/(?:work|tmp|home|root)/)""")
TEXT_SUFFIXES = {".h", ".cc", ".py", ".sh", ".md", ".txt", ".cmake", ".proto", ".json", ".yml", ""}
DECLARED_UNORDERED = re.compile(r"\bunordered_(?:multi)?(?:map|set)\s*<")
RANGE_FOR = re.compile(r"\bfor\s*\([^;()]*(?:\([^()]*\)[^;()]*)*:\s*([^;{}]*?)\)\s*[{\w*]")
BEGIN_CALL = re.compile(r"\b(\w+)\s*(?:\.|->)\s*c?begin\s*\(")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def unordered_names(code):
    """Names of variables and members declared with an unordered container type."""
    names = set()
    for match in DECLARED_UNORDERED.finditer(code):
        depth, position = 1, match.end()
        while position < len(code) and depth:
            depth += {"<": 1, ">": -1}.get(code[position], 0)
            position += 1
        name = re.match(r"[\s&*]*(?:const\b)?[\s&*]*(\w+)\s*[;={(,)]", code[position:])
        if name:
            names.add(name.group(1))
    return names


def hash_iteration(root, path, code):
    names = unordered_names(code)
    header = path.with_suffix(".h")
    if path.suffix == ".cc" and (root / header).is_file():
        names |= unordered_names(without_comments(read(root, header)))
    found = [(m.start(), m.group(1).strip()) for m in RANGE_FOR.finditer(code)]
    found += [(m.start(), m.group(1)) for m in BEGIN_CALL.finditer(code)]
    for position, expression in found:
        last = re.search(r"(\w+)$", expression)
        if last and last.group(1) in names:
            yield Problem(path, line_of(code, position),
                          f"iterates over the hash container '{last.group(1)}': its order is not "
                          "part of the input; use std::map or a sorted vector")


def check_source(root, path, text):
    code = without_comments(text)
    if path.suffix == ".h" and not re.search(r"^#pragma once$", text, re.M):
        yield Problem(path, 1, "a header needs `#pragma once`")
    # A real-process test and a command line tool live in real time; nothing else may wait for it.
    if path.parts[0] != "tools" and path.parts[:2] != ("tests", "cluster"):
        for match in SLEEP.finditer(code):
            yield Problem(path, line_of(code, match.start()),
                          "sleeps: wait for an event or a deadline instead")
    if path.parts[0] == "engine":
        yield from hash_iteration(root, path, code)


def check(root):
    problems = []
    sizes = exceptions(root / SIZE_EXCEPTIONS)
    cpp = set(sources(root))
    for path in tracked_files(root):
        if path.suffix not in TEXT_SUFFIXES or "corpus" in path.parts:
            continue
        text = read(root, path)
        for number, line in enumerate(text.splitlines(), 1):
            if UNFINISHED.search(line):
                problems.append(Problem(path, number, "finish it, or file an issue; no marks here"))
            machine = MACHINE_PATH.search(line)
            if machine and path.parts[:2] != ("tools", "lint"):
                problems.append(Problem(path, number, f"names a folder of one machine "
                                                      f"({machine.group(1)}); derive the path"))
        if path in cpp:
            problems.extend(check_source(root, path, text))
            lines = text.count("\n")
            allowed = sizes.pop(str(path), None)
            if lines > LINES_MAX[path.suffix] and not (allowed and allowed[1]):
                problems.append(Problem(path, lines, f"has {lines} lines, more than "
                                                     f"{LINES_MAX[path.suffix]}: split it by "
                                                     f"concern, or say why not in {SIZE_EXCEPTIONS}"))
            elif lines <= LINES_MAX[path.suffix] and allowed:
                problems.append(Problem(SIZE_EXCEPTIONS, allowed[0], f"{path} fits; remove it"))
    for path, (number, _) in sizes.items():
        problems.append(Problem(SIZE_EXCEPTIONS, number, f"{path} does not exist; remove it"))
    return problems


def self_test():
    once = "#pragma once\n"
    table = once + "std::unordered_map<int, std::vector<int>> table_;\nstd::map<int, int> tree_;\n"
    expect(check, {
        "engine/a.h": table,
        "engine/a.cc": "// sleep_for is a word here\nvoid F() { for (auto& x : tree_) Use(x); "
                       "table_.find(3); }\n",
        "tests/cluster/a_test.cc": "usleep(1);\n", "tools/x/a.cc": "usleep(1);\n",
        "fuzz/corpus/x/1": "/tm" + "p/ TO" + "DO",
    }, [])
    for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X"):
        expect(check, {"sim/a.cc": f"\n// {mark}: later\n"}, [("sim/a.cc", "finish it")])
    for call in ("std::this_thread::sleep_for(x);", "usleep(3);", "sleep (1);", "nanosleep(&t, 0);"):
        expect(check, {"runtime/io/a.cc": call + "\n"}, [("runtime/io/a.cc", "sleeps")])
        expect(check, {"tests/sim/a_test.cc": call + "\n"}, [("tests/sim/a_test.cc", "sleeps")])
    expect(check, {"runtime/a.cc": 'open("/tm' + 'p/x");\n'}, [("runtime/a.cc", "one machine")])
    expect(check, {"tools/a": "cd /wor" + "k/main\n"}, [("tools/a", "one machine")])
    expect(check, {"engine/a.h": "int x;\n"}, [("engine/a.h", "#pragma once")])
    for loop in ("for (const auto& [k, v] : table_) {", "for (auto& x : this->table_) F(x);",
                 "auto i = table_.begin();", "auto i = table_ .cbegin ();"):
        expect(check, {"engine/a.h": table, "engine/a.cc": loop + "\n"},
               [("engine/a.cc", "hash container 'table_'")])
    listed = str(SIZE_EXCEPTIONS)
    expect(check, {"sim/a.cc": "\n" * 601}, [("sim/a.cc", "601 lines")])
    expect(check, {"sim/a.h": once + "\n" * 400}, [("sim/a.h", "401 lines")])
    expect(check, {"sim/a.cc": "\n" * 601, listed: "sim/a.cc  one table\n"}, [])
    expect(check, {"sim/a.cc": "\n", listed: "sim/a.cc  one table\n"}, [(listed, "fits")])
    expect(check, {listed: "sim/a.cc  one table\n"}, [(listed, "does not exist")])


if __name__ == "__main__":
    sys.exit(main(check, self_test, __doc__))
