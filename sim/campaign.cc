#include "sim/campaign.h"

#include <poll.h>
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

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

// What a child tells about one seed, followed by `text_bytes` of RunResult::Line if it failed.
struct Report {
  uint64_t seed = 0;
  uint64_t hash = 0;
  uint64_t tasks = 0;
  uint64_t batches = 0;
  int64_t simulated_nanos = 0;
  uint64_t text_bytes = 0;
  Coverage coverage;
};

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

// The life of a child: seeds first, first + step, ... up to last.
[[noreturn]] void RunChild(int fd, uint64_t first, uint64_t last, uint64_t step) {
  for (uint64_t seed = first; seed <= last; seed += step) {
    const RunResult result = RunSeed(seed);
    const std::string text = result.ok() ? "" : result.Line();
    const Report report{.seed = seed,
                        .hash = result.hash,
                        .tasks = result.tasks,
                        .batches = result.batches,
                        .simulated_nanos = result.simulated.nanos(),
                        .text_bytes = text.size(),
                        .coverage = result.coverage};
    WriteAll(fd, &report, sizeof(report));
    WriteAll(fd, text.data(), text.size());
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
    std::timespec began{};
    ::clock_gettime(CLOCK_MONOTONIC, &began);
    began_ = began;
    if (!options_.hashes_path.empty()) {
      hashes_ = std::fopen(options_.hashes_path.c_str(), "w");
      if (hashes_ == nullptr) {
        result_.failures.emplace_back(0, absl::StrCat("cannot write ", options_.hashes_path));
        return result_;
      }
    }
    const uint64_t jobs = static_cast<uint64_t>(std::max(options_.jobs, 1));
    children_.resize(jobs);
    for (uint64_t job = 0; job < jobs; ++job) Spawn(children_[job], options_.first + job);
    while (!stopped_ && Alive()) PollOnce();
    for (Child& child : children_) Reap(child, true);
    std::sort(result_.failures.begin(), result_.failures.end());
    if (hashes_ != nullptr) {
      for (const auto& [seed, hash] : hash_of_) {
        std::fprintf(hashes_, "%llu %016llx\n", static_cast<unsigned long long>(seed),
                     static_cast<unsigned long long>(hash));
      }
      std::fclose(hashes_);
    }
    if (result_.seeds >= kProbesDueAfter && !stopped_) {
      for (size_t probe = 0; probe < kProbes; ++probe) {
        if (result_.coverage.hits[probe] > 0) continue;
        result_.missing.emplace_back(NameOf(static_cast<Probe>(probe)));
      }
    }
    return result_;
  }

 private:
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
      RunChild(fds[1], first, options_.last, children_.size());
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
    if (::poll(polls.data(), polls.size(), -1) < 0) return;
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
      while (TakeReport(child)) {
      }
      return;
    }
    // The end: of its work, or of it.
    const uint64_t at = child.next;
    Reap(child, false);
    if (at > options_.last) return;
    Fail(at, absl::StrCat("seed ", at, " DIED (its output is above)"));
    if (!stopped_) {
      ++result_.seeds;
      Spawn(child, at + children_.size());
    }
  }

  bool TakeReport(Child& child) {
    Report report;
    if (child.input.size() < sizeof(report)) return false;
    std::memcpy(static_cast<void*>(&report), child.input.data(), sizeof(report));
    if (child.input.size() < sizeof(report) + report.text_bytes) return false;
    const std::string text = child.input.substr(sizeof(report), report.text_bytes);
    child.input.erase(0, sizeof(report) + report.text_bytes);
    child.next = report.seed + children_.size();
    ++result_.seeds;
    result_.batches += report.batches;
    result_.tasks += report.tasks;
    result_.simulated_nanos += report.simulated_nanos;
    result_.coverage.Add(report.coverage);
    if (hashes_ != nullptr) hash_of_[report.seed] = report.hash;
    if (!text.empty()) Fail(report.seed, text);
    if (Elapsed() >= next_print_) {
      next_print_ = Elapsed() + 5;
      std::fprintf(stderr, "%llu seeds, %.1f/s, %.0f simulated s per s, %zu failed\n",
                   static_cast<unsigned long long>(result_.seeds),
                   static_cast<double>(result_.seeds) / Elapsed(),
                   static_cast<double>(result_.simulated_nanos) / 1e9 / Elapsed(),
                   result_.failures.size());
    }
    return true;
  }

  void Fail(uint64_t seed, std::string line) {
    std::fprintf(stderr, "%s\ntidemark-sim replay --seed %llu\n", line.c_str(),
                 static_cast<unsigned long long>(seed));
    result_.failures.emplace_back(seed, std::move(line));
    if (!options_.keep_going) stopped_ = true;
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
  std::timespec began_{};
  double next_print_ = 5;
  bool stopped_ = false;
};

}  // namespace

CampaignResult RunCampaign(const CampaignOptions& options) { return Campaign(options).Run(); }

}  // namespace tidemark::sim
