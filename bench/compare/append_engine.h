#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// What bench_compare appends to, one implementation per competitor.

namespace tidemark::compare {

// The same for every engine: a batch of equal records, ready before the clock starts.
struct Load {
  std::string value;     // one record
  uint32_t records = 0;  // in a batch
  std::string frame;     // the batch as Tidemark's clients make it, checksum included

  uint64_t payload_bytes() const { return uint64_t{records} * value.size(); }
};

// `records` records of `record_bytes`, or as many as fill about `batch_bytes`.
Load MakeLoad(size_t record_bytes, size_t batch_bytes);
Load MakeSingleRecord(size_t record_bytes);

struct EngineOptions {
  std::string directory;  // empty, exists
  bool durable = false;   // an append is acknowledged when it is synced
  // Appends that may be unacknowledged at a time; only Tidemark can have more than one from one
  // thread.
  uint32_t in_flight = 1;
  // Bytes that will be appended at most (to size maps and files in advance).
  uint64_t bytes_max = 0;
};

class AppendEngine {
 public:
  virtual ~AppendEngine() = default;
  // Appends one batch, its first record having the number `first`; returns when it is acknowledged,
  // or when less than `in_flight` are not. Any failure ends the process.
  virtual void Append(const Load& load, uint64_t first) = 0;
  // Waits for what is not acknowledged.
  virtual void Finish() {}
  // Waits for what the engine does with acknowledged appends on its own, where there is such a
  // thing to wait for.
  virtual void Settle() {}
};

struct EngineKind {
  std::string name;
  // Why it is in the list, for the legend.
  std::string what;
  enum class Role {
    kOurs,
    kLimit,       // plain system calls
    kRecordPeer,  // records can be looked up one by one
    kBatchPeer,   // keeps the ready batch as an opaque value, as Tidemark does
  };
  Role role = Role::kRecordPeer;
  std::function<std::unique_ptr<AppendEngine>(const EngineOptions&)> make;
};

// Tidemark first, then the limits, then the peers.
const std::vector<EngineKind>& EngineKinds();

// One each for the files that implement them.
void AddTidemark(std::vector<EngineKind>& kinds);
void AddFiles(std::vector<EngineKind>& kinds);
void AddRocksDb(std::vector<EngineKind>& kinds);
void AddLevelDb(std::vector<EngineKind>& kinds);
void AddSqlite(std::vector<EngineKind>& kinds);
void AddLmdb(std::vector<EngineKind>& kinds);

// Prints `what` and ends the process; for whatever makes a measurement impossible.
[[noreturn]] void Fail(std::string_view what);
inline void Require(bool good, std::string_view what) {
  if (!good) Fail(what);
}

// The same for a status of Abseil, RocksDB or LevelDB; its text is made only on failure.
template <typename Status>
void RequireOk(const Status& status) {
  if (!status.ok()) [[unlikely]]
    Fail(status.ToString());
}

// A key that sorts by number.
std::string_view KeyOf(uint64_t number, char (&buffer)[8]);

}  // namespace tidemark::compare
