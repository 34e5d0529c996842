#include "engine/node/producers.h"

#include <vector>

#include "engine/base/coding.h"
#include "engine/base/limits.h"

namespace tidemark {
namespace {

constexpr uint32_t kStateVersion = 1;
constexpr size_t kProducerBytes = 8 + 4;
constexpr size_t kBatchBytes = 8 + 8 + 2 + 4 + 4;

// Takes a number off the front of `state`, which is long enough.
template <typename T>
T Take(std::string_view& state) {
  const T value = LoadLittle<T>(state.data());
  state.remove_prefix(sizeof(T));
  return value;
}

// Writes a number at `at`, where there is room, and moves on.
template <typename T>
void Put(char*& at, T value) {
  StoreLittle(at, value);
  at += sizeof(T);
}

int32_t SequenceAfter(int32_t first, uint32_t count) {
  return static_cast<int32_t>((static_cast<uint32_t>(first) + count) & 0x7fffffffu);
}

}  // namespace

std::optional<Offset> ProducerTable::LastBatchOf(int64_t producer_id, LogIndex commit) const {
  const auto found = producers_.find(producer_id);
  if (found == producers_.end()) return std::nullopt;
  for (auto at = found->second.rbegin(); at != found->second.rend(); ++at) {
    if (at->index <= commit) return at->base_offset;
  }
  return std::nullopt;
}

ProducerTable::Verdict ProducerTable::Check(const BatchHeader& batch) const {
  if (batch.producer_id < 0) return {};
  const auto found = producers_.find(batch.producer_id);
  if (found == producers_.end()) {
    // Unknown, or forgotten: only a fresh start can be told from a gap.
    if (batch.base_sequence == 0) return {};
    return {.outcome = Outcome::kGap, .expected_sequence = 0};
  }
  const History& history = found->second;
  const Batch& last = history.back();
  if (batch.producer_epoch < last.epoch) return {.outcome = Outcome::kOldEpoch};
  if (batch.producer_epoch > last.epoch) {
    if (batch.base_sequence == 0) return {};
    return {.outcome = Outcome::kGap, .expected_sequence = 0};
  }
  const int32_t expected = SequenceAfter(last.first_sequence, last.count);
  if (batch.base_sequence == expected) return {};
  for (auto at = history.rbegin(); at != history.rend() && at->epoch == last.epoch; ++at) {
    if (at->first_sequence == batch.base_sequence && at->count == batch.offset_span()) {
      return {.outcome = Outcome::kDuplicate, .index = at->index, .base_offset = at->base_offset};
    }
  }
  // Half of the sequence space lies behind the expected one, half ahead.
  const uint32_t behind = static_cast<uint32_t>(expected - batch.base_sequence) & 0x7fffffffu;
  if (behind < 0x40000000u) return {.outcome = Outcome::kTooOld, .expected_sequence = expected};
  return {.outcome = Outcome::kGap, .expected_sequence = expected};
}

void ProducerTable::Record(const BatchHeader& batch, LogIndex index, Offset base_offset) {
  if (batch.producer_id < 0) return;
  History& history = producers_[batch.producer_id];
  if (!history.empty()) by_age_.erase({history.back().index, batch.producer_id});
  history.push_back({.index = index,
                     .base_offset = base_offset,
                     .epoch = batch.producer_epoch,
                     .first_sequence = batch.base_sequence,
                     .count = batch.offset_span()});
  if (history.size() > 2 * kProducerBatchesMax) history.pop_front();
  by_age_.insert({index, batch.producer_id});
  if (producers_.size() > kProducersPerPartitionMax) Forget(by_age_.begin()->second);
}

void ProducerTable::TruncateSuffix(LogIndex from) {
  std::vector<int64_t> touched;
  for (auto at = by_age_.lower_bound({from, INT64_MIN}); at != by_age_.end(); ++at) {
    touched.push_back(at->second);
  }
  for (const int64_t producer : touched) {
    History& history = producers_.at(producer);
    by_age_.erase({history.back().index, producer});
    while (!history.empty() && history.back().index >= from) history.pop_back();
    if (history.empty()) {
      producers_.erase(producer);
    } else {
      by_age_.insert({history.back().index, producer});
    }
  }
}

void ProducerTable::AppendTo(std::string& out) const {
  // Made for each checkpoint: one growth of `out` for each producer, not five for each batch.
  AppendLittle<uint32_t>(out, kStateVersion);
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(producers_.size()));
  for (const auto& [last, producer_id] : by_age_) {
    const History& history = producers_.at(producer_id);
    const size_t begin = out.size();
    out.resize(begin + kProducerBytes + history.size() * kBatchBytes);
    char* at = out.data() + begin;
    Put<int64_t>(at, producer_id);
    Put<uint32_t>(at, static_cast<uint32_t>(history.size()));
    for (const Batch& batch : history) {
      Put<uint64_t>(at, batch.index.value());
      Put<uint64_t>(at, batch.base_offset.value());
      Put<int16_t>(at, batch.epoch);
      Put<int32_t>(at, batch.first_sequence);
      Put<uint32_t>(at, batch.count);
    }
  }
}

std::optional<ProducerTable> ProducerTable::Parse(std::string_view state) {
  if (state.size() < 8 || Take<uint32_t>(state) != kStateVersion) return std::nullopt;
  const uint32_t producers = Take<uint32_t>(state);
  if (producers > kProducersPerPartitionMax) return std::nullopt;
  ProducerTable table;
  for (uint32_t i = 0; i < producers; ++i) {
    if (state.size() < kProducerBytes) return std::nullopt;
    const int64_t producer_id = Take<int64_t>(state);
    const uint32_t batches = Take<uint32_t>(state);
    if (producer_id < 0 || table.producers_.contains(producer_id) || batches == 0 ||
        batches > 2 * kProducerBatchesMax || state.size() < batches * kBatchBytes) {
      return std::nullopt;
    }
    History& history = table.producers_[producer_id];
    for (uint32_t j = 0; j < batches; ++j) {
      Batch batch;
      batch.index = LogIndex(Take<uint64_t>(state));
      batch.base_offset = Offset(Take<uint64_t>(state));
      batch.epoch = Take<int16_t>(state);
      batch.first_sequence = Take<int32_t>(state);
      batch.count = Take<uint32_t>(state);
      if (!history.empty() && batch.index <= history.back().index) return std::nullopt;
      history.push_back(batch);
    }
    table.by_age_.insert({history.back().index, producer_id});
  }
  if (!state.empty()) return std::nullopt;
  return table;
}

void ProducerTable::Forget(int64_t producer_id) {
  const auto found = producers_.find(producer_id);
  by_age_.erase({found->second.back().index, producer_id});
  producers_.erase(found);
}

}  // namespace tidemark
