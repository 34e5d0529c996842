#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/conformance/raft/run.h"

// raft-conformance FILE...: runs data-driven scripts of etcd-io/raft against our raft.

namespace tidemark::conformance {
namespace {

struct Outcome {
  Verdict verdict = Verdict::kDiffer;
  std::string text;
};

// In the child: everything a parent has to know.
[[noreturn]] void RunAndTell(int out, const char* path, const std::string& script) {
  const Report report = RunScript(path, script);
  const std::string text = ReportText(path, report);
  for (size_t done = 0; done < text.size();) {
    const ssize_t written = write(out, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) _exit(EXIT_FAILURE);
    if (written > 0) done += static_cast<size_t>(written);
  }
  _exit(static_cast<int>(report.verdict));
}

// In a process of its own: a script that breaks one of the engine's invariants differs like any
// other, and the next one runs.
Outcome RunApart(const char* path, const std::string& script) {
  int ends[2];
  if (pipe(ends) != 0) return {.text = "raft-conformance: no pipe; close some files\n"};
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    RunAndTell(ends[1], path, script);
  }
  close(ends[1]);
  Outcome outcome;
  char buffer[4096];
  for (ssize_t size = 1; child > 0 && size != 0;) {
    size = read(ends[0], buffer, sizeof buffer);
    if (size < 0 && errno != EINTR) break;
    if (size > 0) outcome.text.append(buffer, static_cast<size_t>(size));
  }
  close(ends[0]);
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child > 0 && WIFEXITED(status) && !outcome.text.empty()) {
    outcome.verdict = static_cast<Verdict>(WEXITSTATUS(status));
  } else {
    outcome.text = std::string("differ ") + path + ": the engine died; see standard error\n";
  }
  return outcome;
}

}  // namespace
}  // namespace tidemark::conformance

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
    std::fflush(stdout);
    const Outcome outcome = RunApart(argv[i], text.str());
    differ += outcome.verdict == Verdict::kDiffer ? 1 : 0;
    unsupported += outcome.verdict == Verdict::kUnsupported ? 1 : 0;
    std::fputs(outcome.text.c_str(), stdout);
  }
  if (differ > 0) return 1;
  if (unreadable > 0) return 2;
  return unsupported > 0 ? 3 : 0;
}
