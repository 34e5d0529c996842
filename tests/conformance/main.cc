#include <cstddef>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/conformance/raft/run.h"

// raft-conformance FILE...: runs data-driven scripts of etcd-io/raft against our raft.

int main(int argc, char** argv) {
  using namespace tidemark::conformance;
  if (argc < 2) {
    std::fputs(
        "usage: raft-conformance FILE...\n"
        "Prints for each script: pass, differ (with what was expected and got) or unsupported.\n"
        "Exits 0 if all pass, 1 if any differs, 2 if one cannot be read, 3 if one is "
        "unsupported.\n",
        stderr);
    return 2;
  }
  size_t differ = 0;
  size_t unreadable = 0;
  size_t unsupported = 0;
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in || text.fail()) {
      std::fprintf(stderr, "raft-conformance: cannot read %s; name files, not folders\n", argv[i]);
      ++unreadable;
      continue;
    }
    const Report report = RunScript(argv[i], text.str());
    differ += report.verdict == Verdict::kDiffer ? 1 : 0;
    unsupported += report.verdict == Verdict::kUnsupported ? 1 : 0;
    std::fputs(ReportText(argv[i], report).c_str(), stdout);
  }
  if (differ > 0) return 1;
  if (unreadable > 0) return 2;
  return unsupported > 0 ? 3 : 0;
}
