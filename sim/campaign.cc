#include "sim/campaign.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/child.h"
#include "sim/report.h"
#include "sim/scenario_file.h"

namespace tidemark::sim {
namespace {

// Failed seeds whose decisions are written down, the shortest ones.
constexpr size_t kExaminedMax = 20;
constexpr double kProgressSeconds = 5;

void WriteAll(int fd, const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t wrote = ::write(fd, at, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) ::_exit(2);
    at += wrote;
    size -= static_cast<size_t>(wrote);
  }
}

// Histories of several children go to one file: each whole, and under a lock.
RunResult RunWithHistory(const Plan& plan, int fd) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const memory = ::open_memstream(&text, &size);
  RunResult result = RunPlan(plan, {.history = memory});
  std::fclose(memory);
  ::lockf(fd, F_LOCK, 0);
  WriteAll(fd, text, size);
  ::lockf(fd, F_ULOCK, 0);
  std::free(text);
  return result;
}

// The life of a child: seeds first, first + step, ... up to last.
[[noreturn]] void RunChild(int fd, const CampaignOptions& options, int history, uint64_t first,
                           uint64_t step) {
  for (uint64_t seed = first; seed <= options.last; seed += step) {
    const Plan plan = PlanOf(options, seed);
    const std::string report =
        EncodeReport(history < 0 ? RunPlan(plan) : RunWithHistory(plan, history));
    WriteAll(fd, report.data(), report.size());
  }
  ::_exit(0);
}

struct Child {
  pid_t pid = -1;
  int fd = -1;
  uint64_t next = 0;  // the seed it is at
  std::string input;
};

class Campaign {
 public:
  explicit Campaign(const CampaignOptions& options) : options_(options) {}

  CampaignResult Run() {
    ::clock_gettime(CLOCK_MONOTONIC, &began_);
    if (!options_.hashes_path.empty()) {
      hashes_ = std::fopen(options_.hashes_path.c_str(), "w");
      if (hashes_ == nullptr) {
        result_.problem = absl::StrCat("cannot write ", options_.hashes_path);
        return result_;
      }
    }
    if (!options_.history_path.empty()) {
      history_ =
          ::open(options_.history_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
      if (history_ < 0) {
        result_.problem = absl::StrCat("cannot write ", options_.history_path);
        return result_;
      }
    }
    const uint64_t jobs = static_cast<uint64_t>(std::max(options_.jobs, 1));
    children_.resize(jobs);
    for (uint64_t job = 0; job < jobs; ++job) Spawn(children_[job], options_.first + job);
    while (!stopped_ && Alive() && !TimeIsUp()) PollOnce();
    for (Child& child : children_) Reap(child, true);
    result_.elapsed_seconds = Elapsed();
    if (history_ >= 0) ::close(history_);
    ExamineFailures();
    if (hashes_ != nullptr) {
      for (const auto& [seed, hash] : hash_of_) {
        std::fprintf(hashes_, "%llu %016llx\n", static_cast<unsigned long long>(seed),
                     static_cast<unsigned long long>(hash));
      }
      std::fclose(hashes_);
    }
    if (result_.seeds >= kProbesDueAfter && !stopped_) {
      for (const Probe probe : ProbesDue(options_.profile)) {
        if (result_.coverage[probe] == 0) result_.missing.emplace_back(NameOf(probe));
      }
    }
    return result_;
  }

 private:
  bool TimeIsUp() const { return options_.seconds > 0 && Elapsed() >= options_.seconds; }

  double Elapsed() const {
    std::timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec - began_.tv_sec) +
           static_cast<double>(now.tv_nsec - began_.tv_nsec) / 1e9;
  }

  void Spawn(Child& child, uint64_t first) {
    if (first > options_.last) return;
    int fds[2];
    if (::pipe(fds) != 0) std::abort();
    std::fflush(nullptr);
    child.next = first;
    child.pid = ::fork();
    if (child.pid < 0) std::abort();
    if (child.pid == 0) {
      ::close(fds[0]);
      RunChild(fds[1], options_, history_, first, children_.size());
    }
    ::close(fds[1]);
    child.fd = fds[0];
    child.input.clear();
  }

  bool Alive() const {
    return std::any_of(children_.begin(), children_.end(),
                       [](const Child& child) { return child.fd >= 0; });
  }

  void PollOnce() {
    std::vector<pollfd> polls;
    std::vector<Child*> polled;
    for (Child& child : children_) {
      if (child.fd < 0) continue;
      polls.push_back({.fd = child.fd, .events = POLLIN, .revents = 0});
      polled.push_back(&child);
    }
    int wait_ms = -1;
    if (options_.seconds > 0) {
      wait_ms = 1 + static_cast<int>(std::max(0.0, options_.seconds - Elapsed()) * 1000);
    }
    if (::poll(polls.data(), polls.size(), wait_ms) < 0) return;
    for (size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents != 0) ReadFrom(*polled[i]);
    }
  }

  void ReadFrom(Child& child) {
    char buffer[65536];
    const ssize_t got = ::read(child.fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) return;
    if (got > 0) {
      child.input.append(buffer, static_cast<size_t>(got));
      while (TakeReportOf(child)) {
      }
      return;
    }
    // The end: of its work, or of it.
    const uint64_t at = child.next;
    Reap(child, false);
    if (at > options_.last) return;
    // What it died of is found out at the end.
    Fail({.seed = at, .oracle = "died", .what = "its last words are above"});
    if (!stopped_) {
      ++result_.seeds;
      Spawn(child, at + children_.size());
    }
  }

  bool TakeReportOf(Child& child) {
    const std::optional<RunResult> report = TakeReport(child.input);
    if (!report.has_value()) return false;
    child.next = report->seed + children_.size();
    ++result_.seeds;
    result_.batches += report->batches;
    result_.tasks += report->tasks;
    result_.simulated_nanos += report->simulated.nanos();
    result_.coverage.Add(report->coverage);
    if (hashes_ != nullptr) hash_of_[report->seed] = report->hash;
    if (!report->ok()) Fail(*report);
    if (Elapsed() >= next_print_) {
      next_print_ = Elapsed() + kProgressSeconds;
      PrintProgress();
    }
    return true;
  }

  void PrintProgress() const {
    const double simulated = static_cast<double>(result_.simulated_nanos) / 1e9;
    std::string faults;
    for (size_t i = 0; Probe(i) < kFirstState; ++i) {
      if (result_.coverage[Probe(i)] == 0) continue;
      absl::StrAppend(&faults, " ", std::string(NameOf(Probe(i))), "=", result_.coverage[Probe(i)]);
    }
    std::fprintf(stderr,
                 "%llu seeds, %.1f/s, %.0f s simulated, %.0f per s, %zu failed; faults:%s\n",
                 static_cast<unsigned long long>(result_.seeds),
                 static_cast<double>(result_.seeds) / Elapsed(), simulated, simulated / Elapsed(),
                 result_.failures.size(), faults.c_str());
  }

  void Fail(RunResult result) {
    const Plan plan = PlanOf(options_, result.seed);
    std::fprintf(stderr, "%s\n%s\n", result.Line().c_str(), ReplayCommandOf(plan).c_str());
    result_.failures.push_back({.result = std::move(result), .file = ""});
    if (!options_.keep_going) stopped_ = true;
  }

  // Runs failed seeds once more, for what they died of and for their decisions.
  void ExamineFailures() {
    const auto by_length = [](const CampaignFailure& a, const CampaignFailure& b) {
      return std::pair(a.result.tasks, a.result.seed) < std::pair(b.result.tasks, b.result.seed);
    };
    // Those that died have no length yet and come first.
    std::sort(result_.failures.begin(), result_.failures.end(), by_length);
    DecisionLog log;
    size_t examined = 0;
    for (CampaignFailure& failure : result_.failures) {
      if (++examined > kExaminedMax) break;
      ScenarioFile file{.plan = PlanOf(options_, failure.result.seed)};
      log.Clear();
      failure.result = RunInChild(file.plan, &log);
      if (options_.failures_path.empty() || !log.complete()) continue;
      file.plan.script.emplace(log.decisions().begin(), log.decisions().end());
      file.oracle = failure.result.oracle;
      file.what = failure.result.what;
      file.hash = failure.result.hash;
      file.version = Version();
      ::mkdir(options_.failures_path.c_str(), 0777);
      const std::string path =
          absl::StrCat(options_.failures_path, "/", std::string(NameOf(options_.profile)), "-",
                       failure.result.seed, ".json");
      const absl::Status written = WriteScenario(path, file);
      if (written.ok()) {
        failure.file = path;
      } else {
        result_.problem = std::string(written.message());
      }
    }
    std::sort(result_.failures.begin(), result_.failures.end(), by_length);
  }

  void Reap(Child& child, bool stop) {
    if (child.fd < 0) return;
    ::close(child.fd);
    child.fd = -1;
    if (stop) ::kill(child.pid, SIGKILL);
    int status = 0;
    ::waitpid(child.pid, &status, 0);
  }

  CampaignOptions options_;
  CampaignResult result_;
  std::vector<Child> children_;
  std::map<uint64_t, uint64_t> hash_of_;
  std::FILE* hashes_ = nullptr;
  int history_ = -1;
  std::timespec began_{};
  double next_print_ = kProgressSeconds;
  bool stopped_ = false;
};

}  // namespace

Plan PlanOf(const CampaignOptions& options, uint64_t seed) {
  Plan plan = PlanOf(seed, options.profile);
  plan.scenario.canary = options.canary;
  plan.scenario.mute = options.mute;
  return plan;
}

CampaignResult RunCampaign(const CampaignOptions& options) { return Campaign(options).Run(); }

}  // namespace tidemark::sim
