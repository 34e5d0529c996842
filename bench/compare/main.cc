// Tidemark's log, the machine's limits and other embedded engines at the same tasks, in turn.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "bench/compare/cases.h"
#include "bench/compare/report.h"

namespace tidemark::compare {
namespace {

constexpr int kUsageError = 2;

struct Arguments {
  std::string only;
  std::string directory = ".";
  std::string json;
  size_t rounds = 5;
  double scale = 1;
  bool smoke = false;
};

[[noreturn]] void Usage() {
  std::fprintf(stderr,
               "usage: bench_compare [--only TEXT[,TEXT...]] [--rounds N] [--scale X] [--dir DIR]\n"
               "                     [--json FILE] [--smoke]\n"
               "  --only    cases whose name (task/competitor) contains one of these\n"
               "  --rounds  each round runs every case once, in turn (5)\n"
               "  --scale   multiplies amounts of data (1: up to 4 GiB on the disk)\n"
               "  --dir     a directory on the disk to measure (the current one)\n"
               "  --smoke   one round of very little data: does everything run? No verdicts\n");
  std::exit(kUsageError);
}

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--smoke") {
      arguments.smoke = true;
      arguments.rounds = 1;
      arguments.scale = 0.002;
      continue;
    }
    if (i + 1 == argc) Usage();
    const char* value = argv[++i];
    if (flag == "--only") {
      arguments.only = value;
    } else if (flag == "--dir") {
      arguments.directory = value;
    } else if (flag == "--json") {
      arguments.json = value;
    } else if (flag == "--rounds") {
      arguments.rounds = std::strtoul(value, nullptr, 10);
    } else if (flag == "--scale") {
      arguments.scale = std::strtod(value, nullptr);
    } else {
      Usage();
    }
  }
  if (arguments.rounds == 0 || !(arguments.scale > 0)) Usage();
  return arguments;
}

bool Wanted(const std::string& name, std::string_view only) {
  if (only.empty()) return true;
  while (!only.empty()) {
    const size_t comma = std::min(only.find(','), only.size());
    if (name.find(only.substr(0, comma)) != std::string::npos) return true;
    only.remove_prefix(std::min(comma + 1, only.size()));
  }
  return false;
}

int Run(const Arguments& arguments) {
  const std::string directory =
      arguments.directory + "/bench_compare." + std::to_string(::getpid());
  PrintLegend(arguments.directory);
  const bool progress = ::isatty(STDERR_FILENO) != 0;
  Results results;
  size_t failed = 0;
  for (size_t round = 0; round < arguments.rounds; ++round) {
    for (const Case& each : AllCases()) {
      if (!Wanted(each.name, arguments.only)) continue;
      if (progress) {
        std::fprintf(stderr, "\r\033[Kround %zu of %zu: %s", round + 1, arguments.rounds,
                     each.name.c_str());
      }
      Sample sample =
          RunInChild({.directory = directory + "/case", .scale = arguments.scale}, each.measure);
      if (sample.empty()) ++failed;
      results[each.name].push_back(std::move(sample));
    }
  }
  if (progress) std::fprintf(stderr, "\r\033[K");
  std::filesystem::remove_all(directory);
  if (results.empty()) {
    std::fprintf(stderr, "bench_compare: no case matches --only %s\n", arguments.only.c_str());
    return kUsageError;
  }
  PrintResults(results);
  if (!arguments.smoke) PrintFigures(results, arguments.rounds);
  if (!arguments.json.empty() && !WriteJson(arguments.json, results, arguments.rounds)) {
    std::fprintf(stderr, "bench_compare: cannot write %s\n", arguments.json.c_str());
    return 1;
  }
  if (failed > 0) std::fprintf(stderr, "bench_compare: %zu measurements failed\n", failed);
  return failed > 0 ? 1 : 0;
}

}  // namespace
}  // namespace tidemark::compare

int main(int argc, char** argv) {
  return tidemark::compare::Run(tidemark::compare::Parse(argc, argv));
}
