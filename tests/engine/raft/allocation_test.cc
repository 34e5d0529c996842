#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/check.h"
#include "engine/raft/raft.h"
#include "tests/support/allocations.h"

// Raft asks for no memory once it runs steadily, but for appends of more than one entry, which need
// the space of those; and what it holds does not grow, whatever a peer does.

namespace tidemark::raft {
namespace {

// A log in memory that keeps its newest entries, in space it asked for in the beginning.
class RingLog final : public RaftLog {
 public:
  RingLog() { ring_.resize(kKept); }

  LogIndex first_index() const override {
    return last_.value() < kKept ? LogIndex{1} : last_ + 1 - kKept;
  }
  LogIndex last_index() const override { return last_; }
  Term last_term() const override { return *TermAt(last_); }
  std::optional<Term> TermAt(LogIndex index) const override {
    if (index == LogIndex{0}) return Term{0};
    if (index > last_ || index < first_index()) return std::nullopt;
    return ring_[index.value() % kKept].term;
  }
  LogIndex durable_index() const override { return durable_; }
  bool has_room() const override { return has_room_now; }
  void Append(const Entry& entry) override {
    last_ = entry.index;
    ring_[entry.index.value() % kKept] = entry;
  }
  void TruncateSuffix(LogIndex from) override {
    last_ = from - 1;
    durable_ = std::min(durable_, last_);
  }
  void AppendNoop(Term term) override {
    Append({.index = last_ + 1, .term = term, .kind = EntryKind::kControl});
  }
  void AppendConfChange(Term, const ConfChange&) override { TIDEMARK_CHECK(false); }
  EntryList Entries(LogIndex first, uint64_t, size_t max_entries) override {
    EntryList entries;
    const uint64_t count = std::min<uint64_t>(last_ - first + 1, max_entries);
    entries.reserve(count);
    for (LogIndex i = first; entries.size() < count; ++i)
      entries.push_back(ring_[i.value() % kKept]);
    return entries;
  }
  void ReadAsync(NodeId, LogIndex, uint64_t) override { TIDEMARK_CHECK(false); }
  void MakeDurable() { durable_ = last_; }
  bool has_room_now = true;

 private:
  static constexpr uint64_t kKept = 512;
  std::vector<Entry> ring_;
  LogIndex last_;
  LogIndex durable_;
};

class SteadyGroup {
 public:
  SteadyGroup() {
    for (size_t i = 0; i < rafts_.size(); ++i) {
      Config config{.self = NodeId{i + 1}, .voters = {NodeId{1}, NodeId{2}, NodeId{3}}};
      config.campaign_at_start = i == 0;
      rafts_[i].emplace(config, HardState{}, LogIndex{0}, &logs_[i], Prng(i + 1));
    }
    for (size_t i = rafts_.size(); i-- > 0;) {
      Step(i, [&](Effects& out) { rafts_[i]->Start(now_, out); });
    }
    TIDEMARK_CHECK(rafts_[0]->serving());
  }

  // Of `count` entries in one step.
  void Commit(int count = 1) {
    RingLog& log = logs_[0];
    for (int i = 0; i < count; ++i) {
      log.Append({.index = log.last_index() + 1,
                  .term = rafts_[0]->term(),
                  .base_offset = Offset{offset_++},
                  .offset_span = 1});
    }
    Step(0, [&](Effects& out) { rafts_[0]->OnAppended(now_, out); });
    TIDEMARK_CHECK_EQ(rafts_[0]->commit(), log.last_index());
  }
  void Timer() {
    now_ = std::max(now_, rafts_[0]->next_deadline());
    Step(0, [&](Effects& out) { rafts_[0]->OnTimer(now_, out); });
  }
  void Read() {
    Step(0, [&](Effects& out) { rafts_[0]->ReadIndex(now_, ReadId{++reads_}, out); });
  }

  // In the steps of raft alone; and of these, those of entries that were sent.
  size_t allocations() const { return allocations_; }
  size_t appends() const { return appends_; }
  uint64_t answered() const { return rafts_[0]->counters().reads_answered; }

  // Nothing arrives there any more.
  size_t dead = 3;
  // Answers to the heartbeats, and does not write what it gets.
  size_t slow = 3;
  std::array<RingLog, 3>& logs() { return logs_; }

 private:
  template <typename Action>
  void Step(size_t member, const Action& action) {
    Take(member, action);
    while (!flights_.empty()) {
      Message message = std::move(flights_.front());
      flights_.pop_front();
      const size_t to = message.to.value() - 1;
      if (to == dead) continue;
      Take(to, [&](Effects& out) { rafts_[to]->OnMessage(now_, message, out); });
    }
  }

  // Runs one step, and the write that it wants.
  template <typename Action>
  void Take(size_t member, const Action& action) {
    out_.Clear();
    allocations_ += AllocationsOf([&] { action(out_); });
    while (true) {
      for (Message& message : out_.messages) Send(std::move(message));
      for (Message& message : out_.messages_after_persist) Send(std::move(message));
      if (!out_.persist && !out_.log_staged) return;
      if (member == slow) return;
      logs_[member].MakeDurable();
      const std::optional<HardState> state = out_.persist;
      out_.Clear();
      allocations_ += AllocationsOf([&] { rafts_[member]->OnPersisted(now_, state, out_); });
    }
  }
  void Send(Message message) {
    const auto* append = std::get_if<AppendRequest>(&message.body);
    if (append != nullptr && !append->entries.empty()) ++appends_;
    flights_.push_back(std::move(message));
  }

  Instant now_ = Instant::FromNanos(1);
  std::array<RingLog, 3> logs_;
  std::array<std::optional<Raft>, 3> rafts_;
  std::deque<Message> flights_;
  Effects out_;
  uint64_t offset_ = 0;
  uint64_t reads_ = 0;
  size_t allocations_ = 0;
  size_t appends_ = 0;
};

template <typename Action>
size_t InUseAfter(int times, const Action& action) {
  for (int i = 0; i < times; ++i) action();
  return BytesInUse();
}

TEST(RaftAllocations, OfEntriesThatAreSentOneByOneThereAreNone) {
  SteadyGroup group;
  for (int i = 0; i < 100; ++i) group.Commit();
  const size_t allocations = group.allocations();
  const size_t appends = group.appends();
  for (int i = 0; i < 1000; ++i) group.Commit();
  EXPECT_EQ(group.appends() - appends, 2000u);
  EXPECT_EQ(group.allocations() - allocations, 0u);
}

TEST(RaftAllocations, OfSeveralEntriesInOneAppendThereIsOne) {
  SteadyGroup group;
  for (int i = 0; i < 100; ++i) group.Commit(8);
  const size_t allocations = group.allocations();
  const size_t appends = group.appends();
  for (int i = 0; i < 1000; ++i) group.Commit(8);
  EXPECT_EQ(group.appends() - appends, 2000u);
  EXPECT_EQ(group.allocations() - allocations, 2000u);
}

TEST(RaftAllocations, HeartbeatsNeedNone) {
  SteadyGroup group;
  for (int i = 0; i < 100; ++i) group.Timer();
  const size_t allocations = group.allocations();
  for (int i = 0; i < 1000; ++i) group.Timer();
  EXPECT_EQ(group.allocations() - allocations, 0u);
}

TEST(RaftAllocations, OfReadsAreTheBlocksOfTheirQueue) {
  SteadyGroup group;
  for (int i = 0; i < 100; ++i) group.Read();
  const size_t allocations = group.allocations();
  for (int i = 0; i < 1000; ++i) group.Read();
  EXPECT_EQ(group.answered(), 1100u);
  EXPECT_LE(group.allocations() - allocations, 100u);
}

TEST(RaftMemory, DoesNotGrowWhileAPeerIsDead) {
  SteadyGroup group;
  group.dead = 2;
  const auto commit = [&] {
    group.Commit();
    group.Timer();
  };
  const size_t before = InUseAfter(2000, commit);
  EXPECT_LE(InUseAfter(20'000, commit), before + 4096);
}

TEST(RaftMemory, DoesNotGrowWhileAPeerWritesNothing) {
  SteadyGroup group;
  group.slow = 2;
  const auto commit = [&] {
    group.Commit();
    group.Timer();
  };
  const size_t before = InUseAfter(2000, commit);
  EXPECT_LE(InUseAfter(20'000, commit), before + 4096);
}

TEST(RaftMemory, DoesNotGrowWhileAPeerHasNoRoom) {
  SteadyGroup group;
  group.logs()[2].has_room_now = false;
  const auto commit = [&] {
    group.Commit();
    group.Timer();
  };
  const size_t before = InUseAfter(2000, commit);
  EXPECT_LE(InUseAfter(20'000, commit), before + 4096);
}

}  // namespace
}  // namespace tidemark::raft
