#include "sim/decisions.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"

namespace tidemark::sim {
namespace {

// FNV-1a, mixed: names must give equal values on every compiler.
constexpr uint64_t HashOf(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ull;
  }
  return Mix64(hash);
}

uint64_t Scale(uint64_t draw, uint64_t bound) {
  TIDEMARK_CHECK_GT(bound, 0u);
  return static_cast<uint64_t>((static_cast<unsigned __int128>(draw) * bound) >> 64);
}

constexpr uint32_t kMillion = 1'000'000;

uint64_t DefaultOffset(const Place& at, uint32_t count, uint64_t span) {
  switch (DefaultOf(at.site)) {
    case Default::kLeast:
      return 0;
    case Default::kMost:
      return span - 1;
    case Default::kMiddle:
      return span / 2;
    case Default::kFixed:
      break;
  }
  const uint64_t fixed = Mix64(HashOf(NameOf(at.site)) ^ (uint64_t{at.actor} << 32 | count));
  return span == 0 ? fixed : Scale(fixed, span);
}

}  // namespace

Decisions::Decisions(uint64_t seed) {
  for (size_t site = 0; site < kSites; ++site) {
    keys_[site] = Mix64(Mix64(seed) ^ HashOf(NameOf(static_cast<Site>(site))));
  }
}

Decisions::Decisions(const std::vector<Decision>& script) : recorded_(true) {
  for (const Decision& decision : script) {
    std::vector<Recorded>& actors = script_[static_cast<size_t>(decision.site)];
    if (decision.actor >= actors.size()) actors.resize(decision.actor + 1);
    actors[decision.actor].by_count.push_back(decision);
  }
  for (std::vector<Recorded>& actors : script_) {
    for (Recorded& recorded : actors) {
      std::vector<Decision>& all = recorded.by_count;
      std::stable_sort(all.begin(), all.end(),
                       [](const Decision& a, const Decision& b) { return a.count < b.count; });
      const auto same = [](const Decision& a, const Decision& b) { return a.count == b.count; };
      all.erase(std::unique(all.begin(), all.end(), same), all.end());
    }
  }
}

uint32_t Decisions::NextCount(std::vector<uint32_t>& counts, uint32_t actor) {
  if (actor >= counts.size()) counts.resize(actor + 1);
  return counts[actor]++;
}

uint64_t Decisions::Stream(const Place& at) {
  const size_t stream = static_cast<size_t>(StreamOf(at.site));
  const uint32_t actor = at.stream_actor;
  const uint64_t count = NextCount(stream_counts_[stream], actor);
  return Mix64(Mix64(keys_[stream] ^ (uint64_t{actor} << 32 | count)) + actor);
}

int64_t Decisions::Choose(const Place& at, int64_t begin, uint64_t span) {
  if (recorded_) return ChooseRecorded(at, begin, span);
  const uint64_t draw = Stream(at);
  const uint64_t offset = span == 0 ? draw : Scale(draw, span);
  const int64_t value = static_cast<int64_t>(static_cast<uint64_t>(begin) + offset);
  if (log_ != nullptr) Log(at, begin, span, value);
  return value;
}

int64_t Decisions::Drawn(const Place& at, uint64_t span, int64_t value) {
  if (log_ != nullptr) Log(at, 0, span, value);
  return value;
}

void Decisions::Log(const Place& at, int64_t begin, uint64_t span, int64_t value) {
  const uint32_t count = NextCount(counts_[static_cast<size_t>(at.site)], at.actor);
  const uint64_t offset = static_cast<uint64_t>(value) - static_cast<uint64_t>(begin);
  if (offset == DefaultOffset(at, count, span)) return;
  log_->Add({.site = at.site, .actor = at.actor, .count = count, .value = value});
}

int64_t Decisions::ChooseRecorded(const Place& at, int64_t begin, uint64_t span) {
  const size_t site = static_cast<size_t>(at.site);
  const uint32_t count = NextCount(counts_[site], at.actor);
  uint64_t offset = DefaultOffset(at, count, span);
  if (at.actor < script_[site].size()) {
    Recorded& recorded = script_[site][at.actor];
    if (recorded.next < recorded.by_count.size() &&
        recorded.by_count[recorded.next].count == count) {
      const Decision& decision = recorded.by_count[recorded.next++];
      offset = static_cast<uint64_t>(decision.value) - static_cast<uint64_t>(begin);
      if (span > 0 && (decision.value < begin || offset >= span)) {
        out_of_range_.push_back(decision);
        offset = decision.value < begin ? 0 : span - 1;
      }
    }
  }
  if (log_ != nullptr && offset != DefaultOffset(at, count, span)) {
    log_->Add({.site = at.site,
               .actor = at.actor,
               .count = count,
               .value = static_cast<int64_t>(static_cast<uint64_t>(begin) + offset)});
  }
  return static_cast<int64_t>(static_cast<uint64_t>(begin) + offset);
}

uint64_t Decisions::Below(const Place& at, uint64_t bound) {
  TIDEMARK_CHECK_GT(bound, 0u);
  return static_cast<uint64_t>(Choose(at, 0, bound));
}

int64_t Decisions::Between(const Place& at, int64_t begin, int64_t end) {
  TIDEMARK_CHECK_LT(begin, end);
  return Choose(at, begin, static_cast<uint64_t>(end) - static_cast<uint64_t>(begin));
}

Duration Decisions::Between(const Place& at, Duration begin, Duration end) {
  return Duration::Nanos(Between(at, begin.nanos(), end.nanos()));
}

uint64_t Decisions::Between(Site site, uint32_t actor, uint64_t begin, uint64_t end) {
  return static_cast<uint64_t>(
      Between(Place(site, actor), static_cast<int64_t>(begin), static_cast<int64_t>(end)));
}

size_t Decisions::Weighted(const Place& at, std::span<const uint32_t> weights) {
  if (recorded_) return Below(at, weights.size());
  uint64_t total = 0;
  for (const uint32_t weight : weights) total += weight;
  size_t index = 0;
  if (total > 0) {
    uint64_t draw = Scale(Stream(at), total);
    while (draw >= weights[index]) draw -= weights[index++];
  }
  return static_cast<size_t>(Drawn(at, weights.size(), static_cast<int64_t>(index)));
}

bool Decisions::Percent(const Place& at, uint32_t percent) {
  if (recorded_) return Choose(at, 0, 2) != 0;
  return Drawn(at, 2, Scale(Stream(at), 100) < percent ? 1 : 0) != 0;
}

bool Decisions::Fault(const Place& at, uint32_t per_million) {
  if (recorded_) return Choose(at, 0, 2) != 0;
  return Drawn(at, 2, Scale(Stream(at), kMillion) < per_million ? 1 : 0) != 0;
}

std::vector<Decision> Decisions::Unreached() const {
  std::vector<Decision> unreached;
  for (const std::vector<Recorded>& actors : script_) {
    for (const Recorded& recorded : actors) {
      unreached.insert(unreached.end(),
                       recorded.by_count.begin() + static_cast<ptrdiff_t>(recorded.next),
                       recorded.by_count.end());
    }
  }
  return unreached;
}

uint64_t Parameter(uint64_t seed, std::string_view name, uint64_t bound) {
  return Scale(Mix64(Mix64(seed + 0x706172616d657465ull) ^ HashOf(name)), bound);
}

}  // namespace tidemark::sim
