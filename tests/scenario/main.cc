#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/scenario/raft/run.h"
#include "tests/scenario/raft/world.h"

// raft-scenario [--rewrite] FILE...: plays scenarios (LANGUAGE.md) and compares what they print
// with what is recorded in them, or records it.

namespace tidemark::scenario {
namespace {

int Usage() {
  std::fputs(
      "usage: raft-scenario [--rewrite] FILE...\n"
      "Plays each scenario and shows, as a diff, where its output is not what the file says;\n"
      "--rewrite makes the file say it. Exits 0 if all is as expected or recorded, 1 if anything\n"
      "differs, 2 if a file cannot be read or written, or understood, 3 if a requirement of a\n"
      "scenario does not hold or an oracle speaks (which --rewrite does not record).\n"
      "Statements:\n",
      stderr);
  for (const std::string& usage : World::Usages()) std::fprintf(stderr, "  %s\n", usage.c_str());
  return 2;
}

int Play(const char* path, bool rewrite) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || text.fail()) {
    std::fprintf(stderr, "raft-scenario: cannot read %s; name files that hold a scenario\n", path);
    return 2;
  }
  const Outcome outcome = RunScenario(path, text.str());
  if (outcome.kind == Outcome::Kind::kDiffers && rewrite) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << outcome.recorded << std::flush;
    if (out) return 0;
    std::fprintf(stderr, "raft-scenario: cannot write %s; is it yours to write?\n", path);
    return 2;
  }
  std::fputs(outcome.report.c_str(), stdout);
  switch (outcome.kind) {
    case Outcome::Kind::kAsExpected:
      return 0;
    case Outcome::Kind::kDiffers:
      return 1;
    case Outcome::Kind::kUnreadable:
      return 2;
    case Outcome::Kind::kBroken:
      return 3;
  }
  return 2;
}

}  // namespace
}  // namespace tidemark::scenario

int main(int argc, char** argv) {
  using namespace tidemark::scenario;
  bool rewrite = false;
  std::vector<const char*> files;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--rewrite") == 0) {
      rewrite = true;
    } else if (argv[i][0] == '-') {
      return Usage();
    } else {
      files.push_back(argv[i]);
    }
  }
  if (files.empty()) return Usage();
  int worst = 0;
  for (const char* file : files) {
    const int result = Play(file, rewrite);
    worst = result > worst ? result : worst;
  }
  return worst;
}
