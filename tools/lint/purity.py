#!/usr/bin/env python3
"""The engine archive needs nothing from the world but what purity_allow.txt lists.

Three questions to binutils: which symbols does the archive leave undefined (nm), which function of
ours asks for a forbidden one (objdump -r, one section per function), and does any instruction read
the world without a symbol (objdump -d: system calls, clocks, random numbers, CPU identity, ports).
Only an optimised gcc archive is judged: at -O0 inline library code leaves calls that nothing makes.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from common import exceptions

ALLOW = pathlib.Path(__file__).with_name("purity_allow.txt")
BANNED_OPCODES = re.compile(
    r"^\s*[0-9a-f]+:\t(?:(?:bnd|lock|rep\w*|data16|notrack|cs|ds)\s+)*"
    r"(syscall|sysenter|int\s+\$0x80|rdtscp?|rdrand|rdseed|rdpid|cpuid|xgetbv|"
    r"in[bwl]?\s|out[bwl]?\s|ins[bwl]\s|outs[bwl]\s)", re.I)
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
SECTION = re.compile(r"^RELOCATION RECORDS FOR \[(.+)\]:$")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def demangled(names):
    names = list(names)
    if not names:
        return {}
    text = subprocess.run(["c++filt"], input="\n".join(names), check=True, capture_output=True,
                          text=True).stdout
    return dict(zip(names, text.splitlines()))


def allow_patterns():
    """Compiled allow-list; each pattern must match a whole mangled or demangled name."""
    patterns = []
    for number, line in enumerate(ALLOW.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pattern, separator, reason = line.partition("  # ")
        if not separator or not reason.strip():
            sys.exit(f"{ALLOW}:{number}: an allowed symbol needs a reason: 'pattern  # reason'")
        patterns.append(re.compile(pattern.strip()))
    return patterns


def undefined_symbols(archive):
    defined, undefined = set(), set()
    for line in output("nm", "-A", "-P", archive).splitlines():
        fields = line.split(": ", 1)[-1].split()
        if len(fields) >= 2:
            (undefined if fields[1] in "Uwv" else defined).add(fields[0])
    return undefined - defined


def callers(archive, names):
    """Functions whose section refers to one of `names`: {name: {function}}."""
    result = {name: set() for name in names}
    section = ""
    for line in output("objdump", "-r", archive).splitlines():
        heading = SECTION.match(line)
        if heading:
            section = re.sub(r"^\.(text|rodata|data\.rel\.ro|data|init_array)\.?(unlikely\.|hot\.|startup\.)?",
                             "", heading.group(1)) or heading.group(1)
            continue
        fields = line.split()
        if len(fields) == 3 and not section.startswith((".debug", ".eh_frame")):
            name = re.sub(r"[+-]0x[0-9a-f]+$", "", fields[2])
            if name in result:
                result[name].add(section)
    return result


def check(archive):
    """Messages, one for each forbidden symbol or instruction."""
    patterns = allow_patterns()
    names = demangled(sorted(undefined_symbols(archive)))
    bad = {mangled: plain for mangled, plain in names.items()
           if not any(p.fullmatch(mangled) or p.fullmatch(plain) for p in patterns)}
    messages = []
    guilty = callers(archive, bad) if bad else {}
    readable = demangled({function for found in guilty.values() for function in found})
    for mangled, plain in sorted(bad.items(), key=lambda item: item[1]):
        users = ", ".join(sorted(readable[f] for f in guilty[mangled])) or "data"
        messages.append(f"{plain}\n    needed by {users}; make it an effect or an argument, or "
                        f"allow it with a reason in tools/lint/{ALLOW.name}")
    function = "?"
    for line in output("objdump", "-d", "-C", "--no-show-raw-insn", archive).splitlines():
        heading = FUNCTION.match(line)
        if heading:
            function = heading.group(1)
            continue
        opcode = BANNED_OPCODES.match(line)
        if opcode:
            messages.append(f"instruction {opcode.group(1).strip()} in {function}: the engine may "
                            "not ask the machine")
    return messages


def compile_archive(folder, compiler, code):
    source, unit, archive = (folder / n for n in ("a.cc", "a.o", "liba.a"))
    source.write_text(code)
    archive.unlink(missing_ok=True)
    subprocess.run([compiler, "-std=c++20", "-O2", "-fno-exceptions", "-fno-threadsafe-statics",
                    "-ffunction-sections", "-c", source, "-o", unit], check=True)
    subprocess.run(["ar", "rcs", archive, unit], check=True)
    return str(archive)


def self_test(compiler):
    pure = """#include <map>
#include <string>
#include <unordered_map>
#include <vector>
std::map<int, std::string> tree;
int F(std::vector<int>& v, std::unordered_map<std::string, int>& m) {
  v.push_back(1); m["a"] = 2; tree[3] = std::to_string(v.size()); return m.size(); }
"""
    planted = {
        "clock": ("#include <chrono>\nlong Guilty() "
                  "{ return std::chrono::steady_clock::now().time_since_epoch().count(); }",
                  "steady_clock::now"),
        "time": ("#include <ctime>\nlong Guilty() { return time(nullptr); }", "time"),
        "random": ("#include <random>\nunsigned Guilty() { return std::random_device()(); }",
                   "random_device"),
        "output": ("#include <iostream>\nvoid Guilty() { std::cout << 1; }", "std::cout"),
        "print": ("#include <cstdio>\nvoid Guilty() { std::printf(\"%d\", 1); }", "printf"),
        "file": ("#include <fcntl.h>\nint Guilty() { return open(\"a\", 0); }", "open"),
        "environment": ("#include <cstdlib>\nchar* Guilty() { return std::getenv(\"A\"); }",
                        "getenv"),
        "thread": ("#include <thread>\nvoid Guilty() { std::thread([] {}).join(); }",
                   "std::thread"),
        "lock": ("#include <pthread.h>\nvoid Guilty(pthread_mutex_t* m) "
                 "{ pthread_mutex_lock(m); }", "pthread_mutex_lock"),
        "tsc": ("#include <x86intrin.h>\nunsigned long Guilty() { return __rdtsc(); }", "rdtsc"),
        "syscall": ("void Guilty() { asm volatile(\"syscall\"); }", "syscall"),
        "identity": ("void Guilty() { asm volatile(\"cpuid\" ::: \"eax\", \"ebx\", \"ecx\", "
                     "\"edx\"); }", "cpuid"),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        found = check(compile_archive(folder, compiler, pure))
        if found:
            sys.exit(f"self-test: pure code was refused: {found}")
        for what, (code, symbol) in planted.items():
            found = check(compile_archive(folder, compiler, code))
            if not any(symbol in m and "Guilty" in m for m in found):
                sys.exit(f"self-test: {what} was not caught, or its function not named: {found}")
    print("self-test passed")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", nargs="?")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--compiler", default="g++-12")
    arguments = parser.parse_args()
    if arguments.self_test:
        self_test(arguments.compiler)
        return 0
    if not arguments.archive or not shutil.which("objdump"):
        parser.error("name the engine archive; binutils must be installed")
    messages = check(arguments.archive)
    for message in messages:
        print(f"{arguments.archive}: {message}")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
