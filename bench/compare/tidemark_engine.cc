#include <atomic>
#include <condition_variable>
#include <mutex>

#include "bench/compare/append_engine.h"
#include "runtime/embedded/local_log.h"

namespace tidemark::compare {
namespace {

class TidemarkEngine : public AppendEngine {
 public:
  explicit TidemarkEngine(const EngineOptions& options)
      : durability_(options.durable ? Durability::kDurable : Durability::kMemory),
        in_flight_max_(options.in_flight) {
    absl::StatusOr<std::unique_ptr<LocalLog>> log = LocalLog::Open(options.directory, {});
    RequireOk(log.status());
    log_ = *std::move(log);
  }

  void Append(const Load& load, uint64_t /*first*/) override {
    if (durability_ == Durability::kMemory) {
      log_->Append(load.frame, durability_,
                   [](const absl::StatusOr<Offset>& offset) { RequireOk(offset.status()); });
      return;
    }
    if (in_flight_max_ == 1) {
      const absl::StatusOr<Offset> offset = log_->AppendAndWait(load.frame);
      RequireOk(offset.status());
      return;
    }
    ++sent_;
    log_->Append(load.frame, durability_, [this](const absl::StatusOr<Offset>& offset) {
      RequireOk(offset.status());
      const uint64_t now = acknowledged_.fetch_add(1) + 1;
      // Whoever waits has said so before it looked at the count again.
      if (now >= wanted_.load()) Wake();
    });
    WaitFor(sent_ + 1 > in_flight_max_ ? sent_ + 1 - in_flight_max_ : 0);
  }
  void Finish() override { WaitFor(sent_); }
  void Settle() override { RequireOk(log_->Sync()); }

 private:
  static constexpr uint64_t kNobody = UINT64_MAX;

  void Wake() {
    const std::lock_guard<std::mutex> hold(mutex_);
    changed_.notify_one();
  }
  void WaitFor(uint64_t count) {
    if (acknowledged_.load() >= count) return;
    std::unique_lock<std::mutex> hold(mutex_);
    wanted_ = count;
    changed_.wait(hold, [&] { return acknowledged_.load() >= count; });
    wanted_ = kNobody;
  }

  const Durability durability_;
  const uint64_t in_flight_max_;
  uint64_t sent_ = 0;
  std::atomic<uint64_t> acknowledged_ = 0;
  std::atomic<uint64_t> wanted_ = kNobody;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<LocalLog> log_;  // last: its destruction may still acknowledge
};

}  // namespace

void AddTidemark(std::vector<EngineKind>& kinds) {
  kinds.push_back({.name = "tidemark",
                   .what = "LocalLog: checksum and records verified, copied once, group commit",
                   .role = EngineKind::Role::kOurs,
                   .make = [](const EngineOptions& options) {
                     return std::make_unique<TidemarkEngine>(options);
                   }});
}

}  // namespace tidemark::compare
