#include "sim/child.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "sim/report.h"

namespace tidemark::sim {
namespace {

// What a process says before it dies is short; what follows its first words is their consequence.
constexpr size_t kWordsMax = 4096;

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) ::_exit(2);
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
}

[[noreturn]] void Live(const Plan& plan, DecisionLog* log, const ChildLimits& limits, int report,
                       int words) {
  ::dup2(words, STDERR_FILENO);
  const rlimit cpu{.rlim_cur = limits.cpu_seconds, .rlim_max = limits.cpu_seconds + 5};
  ::setrlimit(RLIMIT_CPU, &cpu);
  const rlimit core{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &core);
  Execution run(plan, {.log = log});
  while (run.Advance()) {
    if (limits.tasks_max > 0 && run.world().scheduler().executed() >= limits.tasks_max) break;
  }
  WriteAll(report, EncodeReport(run.Result()));
  ::_exit(0);
}

// Reads both pipes to their ends.
void Listen(int report, int words, std::string& reported, std::string& said) {
  pollfd polls[] = {{.fd = report, .events = POLLIN, .revents = 0},
                    {.fd = words, .events = POLLIN, .revents = 0}};
  std::string* const into[] = {&reported, &said};
  while (polls[0].fd >= 0 || polls[1].fd >= 0) {
    if (::poll(polls, 2, -1) < 0) continue;
    for (int i = 0; i < 2; ++i) {
      if (polls[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = ::read(polls[i].fd, buffer, sizeof(buffer));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        polls[i].fd = -1;
      } else {
        into[i]->append(buffer, static_cast<size_t>(got));
      }
    }
    if (said.size() > kWordsMax) said.resize(kWordsMax);
  }
}

std::string NameOfDeath(int status, const std::string& said) {
  const size_t check = said.find(": check failed: ");
  if (check != std::string::npos) {
    const size_t begin = said.rfind('\n', check);
    size_t from = begin == std::string::npos ? 0 : begin + 1;
    // Builds in other folders say the same.
    while (said.compare(from, 3, "../") == 0) from += 3;
    return absl::StrCat("check ", said.substr(from, check - from));
  }
  if (!WIFSIGNALED(status)) return absl::StrCat("exit ", WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGXCPU) return "hangs";
  return absl::StrCat("signal ", WTERMSIG(status));
}

}  // namespace

RunResult RunInChild(const Plan& plan, DecisionLog* log, const ChildLimits& limits) {
  int report[2];
  int words[2];
  TIDEMARK_CHECK(::pipe(report) == 0 && ::pipe(words) == 0);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  TIDEMARK_CHECK_GE(child, 0);
  if (child == 0) {
    ::close(report[0]);
    ::close(words[0]);
    Live(plan, log, limits, report[1], words[1]);
  }
  ::close(report[1]);
  ::close(words[1]);
  std::string reported;
  std::string said;
  Listen(report[0], words[0], reported, said);
  ::close(report[0]);
  ::close(words[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (std::optional<RunResult> result = TakeReport(reported)) return *std::move(result);
  RunResult dead{.seed = plan.seed};
  dead.oracle = NameOfDeath(status, said);
  dead.what = said.substr(0, said.find('\n'));
  if (log != nullptr) dead.tasks = log->tasks();
  return dead;
}

}  // namespace tidemark::sim
