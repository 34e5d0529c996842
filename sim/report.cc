#include "sim/report.h"

#include <cstring>

namespace tidemark::sim {
namespace {

// Followed by the two texts.
struct Head {
  uint64_t seed;
  uint64_t hash;
  int64_t simulated_nanos;
  uint64_t tasks;
  uint64_t batches;
  uint64_t oracle_bytes;
  uint64_t what_bytes;
  Coverage coverage;
};

}  // namespace

std::string EncodeReport(const RunResult& result) {
  const Head head{.seed = result.seed,
                  .hash = result.hash,
                  .simulated_nanos = result.simulated.nanos(),
                  .tasks = result.tasks,
                  .batches = result.batches,
                  .oracle_bytes = result.oracle.size(),
                  .what_bytes = result.what.size(),
                  .coverage = result.coverage};
  std::string bytes(sizeof(head), '\0');
  std::memcpy(bytes.data(), &head, sizeof(head));
  return bytes + result.oracle + result.what;
}

std::optional<RunResult> TakeReport(std::string& bytes) {
  Head head;
  if (bytes.size() < sizeof(head)) return std::nullopt;
  std::memcpy(static_cast<void*>(&head), bytes.data(), sizeof(head));
  const size_t size = sizeof(head) + head.oracle_bytes + head.what_bytes;
  if (bytes.size() < size) return std::nullopt;
  RunResult result{.seed = head.seed,
                   .hash = head.hash,
                   .simulated = Duration::Nanos(head.simulated_nanos),
                   .tasks = head.tasks,
                   .batches = head.batches,
                   .oracle = bytes.substr(sizeof(head), head.oracle_bytes),
                   .what = bytes.substr(sizeof(head) + head.oracle_bytes, head.what_bytes),
                   .coverage = head.coverage};
  bytes.erase(0, size);
  return result;
}

}  // namespace tidemark::sim
