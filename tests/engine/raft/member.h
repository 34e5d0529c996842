#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/ids.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"
#include "engine/raft/raft.h"
#include "tests/engine/raft/cluster.h"

namespace tidemark::raft {

inline constexpr NodeId kOne{1};
inline constexpr NodeId kTwo{2};
inline constexpr NodeId kThree{3};
inline constexpr NodeId kFour{4};
inline constexpr NodeId kFive{5};

// Entries with the given terms from `first` on, with a record each.
EntryList MakeEntries(LogIndex first, const std::vector<uint64_t>& terms);

// One member (node 1 of `nodes`) driven by hand: the test plays network, disk and clock.
class Member {
 public:
  struct Setup {
    size_t nodes = 3;
    Config config = TestConfig();
    HardState state;
    // Terms of the entries already in the log, all durable.
    std::vector<uint64_t> log;
    LogIndex commit;
  };
  explicit Member(Setup setup);

  // Each returns what the step wanted done.
  Effects Receive(NodeId from, uint64_t term, decltype(Message::body) body);
  // The write of everything staged so far completes; what was held for it is in sent().
  Effects Persist();
  // The write begins (later appends are not part of it) and ends.
  void BeginWrite();
  Effects EndWrite();
  Effects Advance(Duration time);
  // Lets the election timeout pass.
  Effects Timeout();
  Effects Propose(const std::string& payload);
  Effects ReadDone(NodeId to, EntryList entries);
  Effects PeerReset(NodeId peer);
  Effects PeerLost(NodeId peer);
  // Everything committed is applied.
  Effects Apply();
  Effects Change(const ConfChange& change, absl::Status* status = nullptr);
  Effects Read(uint64_t id);

  // Wins an election with the votes of everybody; leaves it durable. The append messages it sent.
  Effects Elect();

  Raft& raft() { return *raft_; }
  TestLog& log() { return log_; }
  Instant now() const { return now_; }

 private:
  void Track(Effects& effects);

  Instant now_ = Instant::FromNanos(1);
  TestLog log_;
  std::optional<Raft> raft_;
  std::optional<HardState> unwritten_;
  std::optional<HardState> writing_;
  std::vector<Message> held_;
  std::vector<Message> held_writing_;
};

// The body of the only message of this kind to `to`, nullptr if there is none (or more).
template <typename Body>
const Body* Find(const std::vector<Message>& messages, NodeId to) {
  const Body* found = nullptr;
  for (const Message& message : messages) {
    const Body* body = std::get_if<Body>(&message.body);
    if (body == nullptr || message.to != to) continue;
    if (found != nullptr) return nullptr;
    found = body;
  }
  return found;
}

template <typename Body>
std::vector<Body> All(const std::vector<Message>& messages, NodeId to) {
  std::vector<Body> result;
  for (const Message& message : messages) {
    const Body* body = std::get_if<Body>(&message.body);
    if (body != nullptr && message.to == to) result.push_back(*body);
  }
  return result;
}

}  // namespace tidemark::raft
