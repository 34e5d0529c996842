#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/node/request.h"
#include "sim/plan.h"

namespace tidemark::sim {

// What clients asked for and were told, one JSON object a line, so that a checker that knows
// nothing of this program can judge it. HISTORY.md says what is in a line.
class History {
 public:
  // `out` must outlive this.
  History(std::FILE* out, uint64_t seed) : out_(out), seed_(seed) {}

  void OnBegin(const Plan& plan);
  // `process` hands over a batch, a whole frame, for `group`.
  void OnProduce(Instant now, uint32_t process, GroupId group, std::string_view frame);
  // The batch of that producer and sequence number is acknowledged.
  // `batch`: its BatchId (checkers/entry_fact.h).
  void OnProduced(Instant now, uint64_t batch, Offset base_offset);
  // `process` waits for what comes at `offset` of `group`.
  void OnConsume(Instant now, uint32_t process, GroupId group, Offset offset);
  // It is given `frame`, of which it knew the first `skip` offsets, and then waits for what
  // follows.
  void OnConsumed(Instant now, uint32_t process, std::string_view frame, uint64_t skip);
  // What it waits for was removed; it goes on at `start`.
  void OnLeftBehind(Instant now, uint32_t process, Offset start);
  // `process` asks how far `group` is readable; a bounded read may be answered as of some time ago.
  void OnRead(Instant now, uint32_t process, GroupId group, Consistency consistency);
  // Up to `end`, as of `age` ago.
  void OnReadAnswered(Instant now, uint32_t process, Offset end, Duration age);
  // It was told why not.
  void OnReadRefused(Instant now, uint32_t process, std::string_view reason);
  // It will not be told: the node went down, or it asked no longer.
  void OnReadLost(Instant now, uint32_t process);
  // The run is over: what is not answered yet may have happened or not.
  void OnEnd(Instant now, std::string_view oracle);

 private:
  struct Operation {
    uint64_t number = 0;
    uint32_t process = 0;
    GroupId group;
    std::string what;  // members that repeat in the answer
  };
  void Write(Instant now, const Operation& operation, std::string_view type, std::string_view more);
  void EndRead(Instant now, uint32_t process, std::string_view type, std::string_view more);

  std::FILE* out_;
  uint64_t seed_;
  uint64_t next_operation_ = 1;
  std::map<uint64_t, Operation> producing_;  // by BatchId
  std::map<uint32_t, Operation> consuming_;
  std::map<uint32_t, Operation> reading_;
};

}  // namespace tidemark::sim
