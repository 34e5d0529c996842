#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/prng.h"
#include "engine/raft/quorum.h"
#include "engine/raft/raft.h"

// What agreement costs without disk and network: three members of one group, every write durable at
// once and every message delivered at once, until the entry is committed at the leader. And its
// innermost part, the index that a quorum has reached.

namespace tidemark::raft {
namespace {

constexpr size_t kMembers = 3;
// Old entries go, so that a long run stays in bounds; far more than is ever in flight here.
constexpr size_t kEntriesKept = 16384;

class MemoryLog final : public RaftLog {
 public:
  LogIndex first_index() const override { return first_; }
  LogIndex last_index() const override { return last_; }
  Term last_term() const override {
    return entries_.empty() ? before_first_ : entries_.back().term;
  }
  std::optional<Term> TermAt(LogIndex index) const override {
    if (index == first_ - 1) return before_first_;
    if (index < first_ || index > last_index()) return std::nullopt;
    return entries_[index - first_].term;
  }
  LogIndex durable_index() const override { return durable_; }
  void Append(const Entry& entry) override {
    TIDEMARK_CHECK_EQ(entry.index, last_ + 1);
    entries_.push_back(entry);
    last_ = entry.index;
    if (entries_.size() > 2 * kEntriesKept) RemovePrefix();
  }
  void TruncateSuffix(LogIndex from) override {
    entries_.resize(from - first_);
    last_ = from - 1;
    durable_ = std::min(durable_, from - 1);
  }
  void AppendNoop(Term term) override {
    Append(Entry{.index = last_index() + 1, .term = term, .kind = EntryKind::kControl});
  }
  // The members stay who they are.
  void AppendConfChange(Term, const ConfChange&) override { TIDEMARK_CHECK(false); }
  EntryList Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) override {
    const size_t begin = first - first_;
    size_t end = begin;
    uint64_t bytes = 0;
    for (; end < entries_.size() && end - begin < max_entries; ++end) {
      bytes += entries_[end].frame.size();
      if (bytes > max_bytes && end > begin) break;
    }
    const auto at = entries_.begin() + static_cast<ptrdiff_t>(begin);
    return {at, at + static_cast<ptrdiff_t>(end - begin)};
  }
  // Everything a member can lack is in memory.
  void ReadAsync(NodeId, LogIndex, uint64_t) override { TIDEMARK_CHECK(false); }

  void MakeDurable() { durable_ = last_index(); }

 private:
  void RemovePrefix() {
    before_first_ = entries_[kEntriesKept - 1].term;
    entries_.erase(entries_.begin(), entries_.begin() + kEntriesKept);
    first_ = first_ + kEntriesKept;
  }

  LogIndex first_{1};
  LogIndex last_;
  Term before_first_;
  std::deque<Entry> entries_;
  LogIndex durable_;
};

class Group {
 public:
  Group() {
    for (size_t i = 0; i < kMembers; ++i) {
      Config config{.self = NodeId{i + 1}, .voters = {NodeId{1}, NodeId{2}, NodeId{3}}};
      config.campaign_at_start = i == 0;
      rafts_[i].emplace(config, HardState{}, LogIndex{0}, &logs_[i], Prng(i + 1));
    }
    // The leader-to-be last: the others must be listening.
    for (size_t i = kMembers; i-- > 0;) {
      rafts_[i]->Start(now_, effects_);
      Absorb(i);
    }
    DeliverAll();
    TIDEMARK_CHECK(leader().serving());
  }

  // Commits `count` entries with `payload`, proposed in one step.
  void Commit(const Bytes& payload, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      logs_[0].Append(Entry{.index = logs_[0].last_index() + 1,
                            .term = leader().term(),
                            .kind = EntryKind::kData,
                            .base_offset = Offset{offset_++},
                            .offset_span = 1,
                            .frame = payload});
    }
    leader().OnAppended(now_, effects_);
    Absorb(0);
    DeliverAll();
    TIDEMARK_CHECK_EQ(leader().commit(), logs_[0].last_index());
  }

  // The leader's next timer, mostly a heartbeat to everybody, and what it leads to.
  void NextTimer() {
    now_ = std::max(now_, leader().next_deadline());
    leader().OnTimer(now_, effects_);
    Absorb(0);
    DeliverAll();
  }

  uint64_t delivered() const { return delivered_; }

 private:
  Raft& leader() { return *rafts_[0]; }

  // Sends what the step of `member` wants sent, with the disk writing in no time. As a node does it
  // keeps the effects, for their space.
  void Absorb(size_t member) {
    while (true) {
      for (Message& message : effects_.messages) flights_.push_back(std::move(message));
      const bool write = effects_.persist.has_value() || effects_.log_staged;
      if (write) logs_[member].MakeDurable();
      for (Message& message : effects_.messages_after_persist) {
        flights_.push_back(std::move(message));
      }
      const std::optional<HardState> persisted = effects_.persist;
      effects_.Clear();
      if (!write) return;
      rafts_[member]->OnPersisted(now_, persisted, effects_);
    }
  }

  void DeliverAll() {
    while (!flights_.empty()) {
      std::swap(arriving_, flights_);
      for (const Message& message : arriving_) {
        const size_t to = message.to.value() - 1;
        rafts_[to]->OnMessage(now_, message, effects_);
        ++delivered_;
        Absorb(to);
      }
      arriving_.clear();
    }
  }

  Instant now_ = Instant::FromNanos(1);
  std::array<MemoryLog, kMembers> logs_;
  std::array<std::optional<Raft>, kMembers> rafts_;
  std::vector<Message> flights_;
  std::vector<Message> arriving_;
  Effects effects_;
  uint64_t offset_ = 0;
  uint64_t delivered_ = 0;
};

// Argument: entries proposed in one step. The payload is shared, never copied, so its size is moot.
void BM_CommitEntries(benchmark::State& state) {
  const Bytes payload = Bytes::From(std::string(256, 'p'));
  Group group;
  const uint64_t before = group.delivered();
  for (auto _ : state) group.Commit(payload, state.range(0));
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["messages"] = benchmark::Counter(static_cast<double>(group.delivered() - before),
                                                  benchmark::Counter::kAvgIterations);
}
BENCHMARK(BM_CommitEntries)->Arg(1)->Arg(64)->Arg(1024);

// The price of an idle group: it bounds how many groups a node can lead.
void BM_IdleLeaderTimer(benchmark::State& state) {
  Group group;
  const uint64_t before = group.delivered();
  for (auto _ : state) group.NextTimer();
  state.SetItemsProcessed(state.iterations());
  state.counters["messages"] = benchmark::Counter(static_cast<double>(group.delivered() - before),
                                                  benchmark::Counter::kAvgIterations);
}
BENCHMARK(BM_IdleLeaderTimer);

constexpr uint64_t kIndexes = 1024;

MajorityConfig Voters(uint64_t first, uint64_t count) {
  MajorityConfig config;
  for (uint64_t id = first; id < first + count; ++id) config.voters().Insert(NodeId{id});
  return config;
}

// What each voter acknowledged, different every time: a branch must not learn the answer.
std::vector<LogIndex> Acknowledged() {
  Prng prng(1);
  std::vector<LogIndex> acked;
  for (uint64_t i = 0; i < kIndexes + kNodesMax; ++i) acked.push_back(LogIndex{prng.Below(1000)});
  return acked;
}

// Argument: voters.
void BM_CommittedIndex(benchmark::State& state) {
  const MajorityConfig config = Voters(1, static_cast<uint64_t>(state.range(0)));
  const std::vector<LogIndex> acked = Acknowledged();
  uint64_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        config.CommittedIndex([&](NodeId voter) { return acked[at + voter.value()]; }));
    at = (at + 1) % kIndexes;
  }
}
BENCHMARK(BM_CommittedIndex)->Arg(1)->Arg(3)->Arg(5)->Arg(9)->Arg(10);

// The same while one voter is being replaced.
void BM_JointCommittedIndex(benchmark::State& state) {
  const auto voters = static_cast<uint64_t>(state.range(0));
  const JointConfig config{.incoming = Voters(2, voters), .outgoing = Voters(1, voters)};
  const std::vector<LogIndex> acked = Acknowledged();
  uint64_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        config.CommittedIndex([&](NodeId voter) { return acked[at + voter.value()]; }));
    at = (at + 1) % kIndexes;
  }
}
BENCHMARK(BM_JointCommittedIndex)->Arg(3)->Arg(5);

// The yardstick: as many values sorted by the standard library.
void BM_SortedIndexes(benchmark::State& state) {
  const auto voters = static_cast<size_t>(state.range(0));
  const std::vector<LogIndex> acked = Acknowledged();
  uint64_t at = 0;
  for (auto _ : state) {
    std::array<LogIndex, kReplicasMax> values;
    std::copy_n(acked.begin() + static_cast<ptrdiff_t>(at + 1), voters, values.begin());
    std::sort(values.begin(), values.begin() + static_cast<ptrdiff_t>(voters));
    benchmark::DoNotOptimize(values[voters - MajorityOf(voters)]);
    at = (at + 1) % kIndexes;
  }
}
BENCHMARK(BM_SortedIndexes)->Arg(3)->Arg(5)->Arg(9);

}  // namespace
}  // namespace tidemark::raft
