#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/checkers/verdict.h"
#include "sim/explore/member.h"
#include "sim/explore/options.h"
#include "sim/explore/tables.h"

namespace tidemark::sim::explore {

// A member in some state, as everybody but it sees it.
struct Local {
  std::unique_ptr<Member> member;
  // CodeOf each entry of its log, and of its disk.
  std::vector<uint64_t> log;
  std::vector<uint64_t> disk;
  uint32_t commit = 0;
  uint32_t term = 0;
  bool leads = false;
  // A message of a lower term will never change anything here, crashes included.
  uint32_t durable_term = 0;
  // What can happen here by itself.
  std::vector<Event> events;
};

// What an event does to a member.
struct Transition {
  enum Flag : uint8_t {
    kImpossible = 1,  // it cannot happen here
    kNothing = 2,     // the member is as before and says nothing
    kBeyond = 4,      // its term would be beyond Options::terms
    kVisible = 8,     // its log, its disk, its commit index or its leadership changed
    kViolates = 16,   // an oracle that looks at it alone spoke: StepCache::VerdictOf
  };
  uint32_t next = 0;
  uint64_t sent_begin = 0;
  uint16_t sent_count = 0;
  uint8_t flags = 0;
};

// All the states of single members, messages and steps that were ever come to. A member's step
// depends on nothing but its state and what happens to it, and a cluster has far fewer different
// members than it has different clusters: the production code runs once for each step, and is
// looked up ever after.
class StepCache {
 public:
  explicit StepCache(const Options& options);

  const Options& options() const { return options_; }
  // The member `node` (from 1) in the beginning.
  uint32_t Initial(uint32_t node) const { return initial_[node - 1]; }
  const Local& local(uint32_t number) const { return locals_[number]; }
  size_t locals() const { return locals_.size(); }
  size_t messages() const { return messages_.size(); }
  // Steps that the production code made.
  size_t steps() const { return transitions_.size(); }

  // What `event` does to `local`.
  //   Lives   until the next call.
  const Transition& Step(uint32_t local, const Event& event);
  std::span<const uint32_t> SentBy(const Transition& transition) const {
    return {sent_.data() + transition.sent_begin, transition.sent_count};
  }
  const Verdict& VerdictOf(const Transition& transition) const;

  struct Address {
    uint32_t from = 0;
    uint32_t to = 0;
    uint32_t term = 0;
    // Of a kind that means nothing in a later term.
    bool expires = false;
  };
  const Address& address(uint32_t message) const { return addresses_[message]; }
  const raft::Message& message(uint32_t number) const { return messages_[number]; }

 private:
  static uint64_t KeyOf(uint32_t local, const Event& event);
  uint32_t Intern(std::unique_ptr<Member> member);
  uint32_t Intern(raft::Message message);
  Transition Make(uint32_t local, const Event& event);

  Options options_;
  std::vector<uint32_t> initial_;
  Digests local_digests_;
  std::vector<Local> locals_;
  Digests message_digests_;
  std::vector<raft::Message> messages_;
  std::vector<Address> addresses_;
  HashIndex index_;
  std::vector<uint64_t> keys_;
  std::vector<Transition> transitions_;
  std::vector<uint32_t> sent_;
  std::map<uint32_t, Verdict> verdicts_;
  std::string scratch_;
};

}  // namespace tidemark::sim::explore
