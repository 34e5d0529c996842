#pragma once

#include <cstdint>
#include <cstdio>

#include "sim/step_listener.h"

namespace tidemark::sim {

// Writes every step as text: a line that says when and where, then one line for each event ("<")
// and each effect (">").
class TraceWriter : public StepListener {
 public:
  // `out` must outlive this.
  explicit TraceWriter(std::FILE* out) : out_(out) {}

  // What comes now belongs to the `number`-th thing that is scheduled, counted from 1; 0 is before
  // all of them.
  void BeginTask(uint64_t number) { task_ = number; }
  void OnStep(NodeId node, Instant now, std::span<const Event> events) override;
  void OnEffect(const Effect& effect) override;

 private:
  std::FILE* out_;
  uint64_t task_ = 0;
};

}  // namespace tidemark::sim
