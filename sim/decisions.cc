#include "sim/decisions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"

namespace tidemark::sim {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Site::kCount)> kNames = {
    "message_latency", "message_lost",  "message_duplicated", "message_reordered", "datagram_lost",
    "dial_latency",    "step_delay",    "flush_latency",      "flush_slow",        "flush_fails",
    "read_latency",    "crash_in_step", "crash_mode",         "crash_sector",      "crash_name",
    "crash_size",      "fault_gap",     "fault_kind",         "fault_target",      "fault_length",
    "clock_origin",    "clock_rate",    "node_seed",          "client_seed",       "client_latency",
    "client_break",    "produce_gap",   "batch_shape",        "record_bytes",      "admin",
    "sync_lost",       "reopen",        "write_fails",
};

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

}  // namespace

std::string_view NameOf(Site site) { return kNames[static_cast<size_t>(site)]; }

std::string Describe(const Decision& decision) {
  return absl::StrCat(std::string(NameOf(decision.site)), " actor ", decision.actor, " count ",
                      decision.count);
}

Decisions::Decisions(uint64_t seed) : seed_(seed) {
  for (size_t site = 0; site < keys_.size(); ++site) {
    keys_[site] = Mix64(Mix64(seed) ^ HashOf(kNames[site]));
  }
}

uint32_t Decisions::NextCount(Site site, uint32_t actor) {
  std::vector<uint32_t>& counts = counts_[static_cast<size_t>(site)];
  if (actor >= counts.size()) counts.resize(actor + 1);
  return counts[actor]++;
}

uint64_t Decisions::Draw(Site site, uint32_t actor) {
  const uint64_t count = NextCount(site, actor);
  return Mix64(Mix64(keys_[static_cast<size_t>(site)] ^ (uint64_t{actor} << 32 | count)) + actor);
}

uint64_t Decisions::Below(Site site, uint32_t actor, uint64_t bound) {
  return Scale(Draw(site, actor), bound);
}

uint64_t Decisions::Between(Site site, uint32_t actor, uint64_t begin, uint64_t end) {
  TIDEMARK_CHECK_LT(begin, end);
  return begin + Below(site, actor, end - begin);
}

Duration Decisions::Between(Site site, uint32_t actor, Duration begin, Duration end) {
  TIDEMARK_CHECK_LT(begin.nanos(), end.nanos());
  const uint64_t span = static_cast<uint64_t>(end.nanos() - begin.nanos());
  return Duration::Nanos(begin.nanos() + static_cast<int64_t>(Below(site, actor, span)));
}

bool Decisions::Fault(Site site, uint32_t actor, uint32_t per_million) {
  const uint64_t draw = Draw(site, actor);
  if (Scale(draw, 1'000'000) >= per_million) return false;
  const uint32_t count = counts_[static_cast<size_t>(site)][actor] - 1;
  faults_.push_back({.site = site, .actor = actor, .count = count});
  return true;
}

uint64_t Decisions::Parameter(std::string_view name, uint64_t bound) const {
  return Scale(Mix64(Mix64(seed_ + 0x706172616d657465ull) ^ HashOf(name)), bound);
}

}  // namespace tidemark::sim
