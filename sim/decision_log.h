#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sim/site.h"

namespace tidemark::sim {

// The decisions of one run, in the order of their making. Lies in memory that a child process
// shares with its parent, so that it outlives the child, however that ends.
class DecisionLog {
 public:
  // Far beyond what one run decides; memory is taken as it is used.
  static constexpr size_t kDecisionsMax = size_t{1} << 23;

  DecisionLog();
  ~DecisionLog();
  DecisionLog(const DecisionLog&) = delete;
  DecisionLog& operator=(const DecisionLog&) = delete;

  // What comes after kDecisionsMax is counted and not kept.
  void Add(const Decision& decision) {
    if (shared_->size < kDecisionsMax) shared_->decisions[shared_->size] = decision;
    ++shared_->size;
  }
  void Clear() { shared_->size = 0; }

  // How many scheduled things had happened when this was last told.
  void SetTasks(uint64_t tasks) { shared_->tasks = tasks; }
  uint64_t tasks() const { return shared_->tasks; }

  std::span<const Decision> decisions() const {
    return {shared_->decisions, shared_->size < kDecisionsMax ? shared_->size : kDecisionsMax};
  }
  bool complete() const { return shared_->size <= kDecisionsMax; }

 private:
  struct Shared {
    size_t size;
    uint64_t tasks;
    Decision decisions[kDecisionsMax];
  };
  Shared* shared_;
};

}  // namespace tidemark::sim
