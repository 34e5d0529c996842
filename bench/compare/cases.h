#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/compare/measure.h"

namespace tidemark::compare {

// One competitor at one task. The name is task/competitor.
struct Case {
  std::string name;
  std::function<Sample(const Where&)> measure;
};

// In the order they run in each round: competitors at the same task follow each other.
std::vector<Case> AllCases();

// Tasks of append_cases.cc; each holds all competitors.
inline constexpr char kDurableTask[] = "durable";      // 1 KiB records, 64 KiB batches, synced
inline constexpr char kPipelinedTask[] = "pipelined";  // the same, 64 batches in flight
inline constexpr char kMemoryTask[] = "memory";        // 100 B records, 64 KiB batches, not synced
inline constexpr char kLatencyTask[] = "latency";      // 100 B, synced, one in flight
inline constexpr char kWindowTask[] = "window";        // 100 B, 4,096 in flight
void AddAppendCases(std::vector<Case>& cases);

// Tasks of read_cases.cc.
inline constexpr char kScanTask[] = "scan";      // sequential, verified, from the page cache
inline constexpr char kLookupTask[] = "lookup";  // offset -> place in a 1 GiB segment
inline constexpr char kRandomTask[] = "random";  // one 100 B record at a random offset
inline constexpr char kReopenTask[] = "reopen";  // of logs of 0.25, 1 and 4 GiB
void AddReadCases(std::vector<Case>& cases);

}  // namespace tidemark::compare
