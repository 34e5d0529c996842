#!/usr/bin/env python3
"""Includes follow the architecture's arrows, and the engine includes only what is pure."""

import re
import sys

from common import Problem, expect, main, read, sources

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

AREAS = ("engine", "proto", "runtime", "sim", "tools", "tests", "fuzz", "bench")
# area -> areas it may include. Tests, fuzz targets and benchmarks see everything.
ARROWS = {
    "engine": {"engine"},
    "proto": {"proto", "engine"},
    "runtime": {"runtime", "engine", "proto"},
    "sim": {"sim", "engine", "proto"},
    "tools": set(AREAS) - {"tests", "fuzz", "bench"},
    "tests": set(AREAS),
    "fuzz": set(AREAS) - {"bench"},
    "bench": set(AREAS) - {"fuzz"},
}

# Inside the engine: components see the base, the node sees the components.
ENGINE_ORDER = {
    "base": {"base"},
    "log": {"base", "log"},
    "raft": {"base", "raft"},
    "gossip": {"base", "gossip"},
    "acl": {"base", "acl"},
    "balancer": {"base", "balancer"},
    "node": {"base", "log", "raft", "gossip", "acl", "balancer", "node"},
}
# The raft log is the topic's log: consensus shares the vocabulary of entries and files, nothing more.
ENGINE_EXTRA = {"raft": {"engine/log/entry.h", "engine/log/file.h"}}

# Standard headers without IO, clock, thread, locale or randomness; the rest is forbidden.
ENGINE_STANDARD = set("""
algorithm array bit cassert cctype charconv climits compare concepts coroutine cstddef cstdint
cstring deque exception functional initializer_list iterator limits list map memory new numeric
optional queue ranges set source_location span stack string string_view tuple type_traits typeindex
typeinfo unordered_map unordered_set utility variant vector immintrin.h nmmintrin.h
""".split())
ENGINE_LIBRARIES = re.compile(
    r"^(absl/status/|absl/strings/|absl/types/|absl/base/(attributes|optimization)\.h$"
    r"|absl/container/inlined_vector\.h$"
    r"|mbedtls/(gcm|aes|sha256|sha1|md5|cipher|platform_util|error)\.h$)")


def problem_of(path, kind, target):
    """Why the file at `path` may not include `target`, or None."""
    area = path.parts[0]
    first = target.split("/")[0]
    if first in AREAS and kind == '"':
        if first not in ARROWS[area]:
            return (f"{area}/ must not include {target}: allowed are "
                    f"{', '.join(sorted(ARROWS[area]))}; invert the dependency")
        if area == "engine" and len(path.parts) > 2:
            folder, wanted = path.parts[1], target.split("/")[1]
            allowed = ENGINE_ORDER.get(folder)
            if allowed is None:
                return f"engine/{folder} has no place in ENGINE_ORDER (tools/lint/layering.py)"
            if wanted not in allowed and target not in ENGINE_EXTRA.get(folder, ()):
                return (f"engine/{folder} must not include {target}: allowed are engine/"
                        f"{{{','.join(sorted(allowed))}}}; move the shared part down")
    elif area == "engine":
        if target not in ENGINE_STANDARD and not ENGINE_LIBRARIES.match(target):
            return (f"the engine must not include <{target}>: it performs no IO and has no clock, "
                    "thread, locale or randomness; emit an effect, or take the value as an argument")
    elif kind == '"' and "/" not in target:
        return f'"{target}": include from the repository root, "folder/{target}"'
    return None


def check(root):
    problems = []
    for path in sources(root):
        for number, line in enumerate(read(root, path).splitlines(), 1):
            match = INCLUDE.match(line)
            text = match and problem_of(path, match.group(1), match.group(2))
            if text:
                problems.append(Problem(path, number, text))
    return problems


def self_test():
    expect(check, {
        "engine/node/node.h": '#include <map>\n#include "engine/raft/raft.h"\n'
                              '#include "absl/status/status.h"\n',
        "engine/raft/raft.h": '#include "engine/log/entry.h"\n',
        "runtime/net/mux.cc": '#include <thread>\n#include "engine/node/node.h"\n',
        "tools/tidemark/main.cc": '#include "sim/world.h"\n',
    }, [])
    for name, line, text in [
        ("engine/log/log.cc", '#include "runtime/io/loop.h"', "must not include runtime"),
        ("engine/log/log.cc", '#include "proto/convert.h"', "must not include proto"),
        ("engine/log/log.cc", "#include <chrono>", "<chrono>"),
        ("engine/log/log.cc", "#  include <unistd.h>", "<unistd.h>"),
        ("engine/log/log.cc", '#include "absl/time/clock.h"', "absl/time"),
        ("engine/log/log.cc", '#include "absl/container/flat_hash_map.h"', "flat_hash_map"),
        ("engine/base/a.h", '#include "engine/log/log.h"', "engine/base must not"),
        ("engine/raft/raft.h", '#include "engine/log/segment.h"', "engine/raft must not"),
        ("engine/gossip/swim.h", '#include "engine/node/node.h"', "engine/gossip must not"),
        ("engine/new/a.h", '#include "engine/base/ids.h"', "ENGINE_ORDER"),
        ("sim/world.h", '#include "runtime/io/loop.h"', "sim/ must not"),
        ("runtime/io/loop.h", '#include "sim/world.h"', "runtime/ must not"),
        ("runtime/io/loop.h", '#include "tests/support/x.h"', "runtime/ must not"),
        ("runtime/io/loop.h", '#include "loop_impl.h"', "from the repository root"),
    ]:
        expect(check, {name: line + "\n"}, [(name, text)])


if __name__ == "__main__":
    sys.exit(main(check, self_test, __doc__))
