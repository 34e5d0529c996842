#include "engine/balancer/picker.h"

#include <algorithm>

#include "engine/base/limits.h"

namespace tidemark::balancer {
namespace {

// Addresses remembered beyond the cluster's size (seeds, nodes that moved).
constexpr size_t kLoadsMax = 4 * kNodesMax;

// 52 days. A latency or half-life up to here times 1024 fits 64 bits.
constexpr uint64_t kNanosMax = uint64_t{1} << 52;

bool Contains(const std::vector<std::string>& list, const std::string& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

}  // namespace

Picker::Picker(PickerOptions options, Prng prng)
    : options_(options), prng_(prng), ejector_(options.ejection, prng_.Fork()) {
  // Clients that start together do not all ask the first seed first.
  rotation_ = prng_.Next() >> 1;
}

std::optional<Target> Picker::PickProduce(Instant now, const ClusterView& view,
                                          const TopicPartition& where) {
  if (std::optional<Target> leader = view.Leader(where)) return leader;
  return PickAny(now, view);
}

std::optional<Target> Picker::PickAny(Instant now, const ClusterView& view) {
  const std::vector<Target> targets = view.AllTargets();
  endpoints_ = targets.size();
  return Rotate(now, targets, {});
}

std::optional<Target> Picker::PickConsume(Instant now, const ClusterView& view,
                                          const TopicPartition& where,
                                          const std::vector<std::string>& avoid,
                                          const std::string* current) {
  const std::vector<Target> all = view.AllTargets();
  endpoints_ = all.size();
  std::vector<Target> healthy = view.Followers(where);
  std::erase_if(healthy, [&](const Target& target) {
    return ejector_.IsEjected(now, target.address) || Contains(avoid, target.address);
  });
  if (healthy.empty()) {
    std::optional<Target> leader = view.Leader(where);
    if (leader.has_value() && !Contains(avoid, leader->address)) return leader;
    return Rotate(now, all, avoid);
  }
  const Target* best = &healthy[0];
  if (healthy.size() > 1) {
    // Two different ones, uniformly.
    const size_t first = prng_.Below(healthy.size());
    size_t second = prng_.Below(healthy.size() - 1);
    if (second >= first) ++second;
    const uint64_t first_cost = Cost(now, healthy[first].address);
    best = first_cost <= Cost(now, healthy[second].address) ? &healthy[first] : &healthy[second];
  }
  if (current != nullptr && *current != best->address) {
    for (const Target& target : healthy) {
      if (target.address != *current) continue;
      const uint64_t dearest_to_keep = Cost(now, best->address) * options_.stickiness;
      if (Cost(now, target.address) <= dearest_to_keep) return target;
    }
  }
  return *best;
}

std::optional<Target> Picker::Rotate(Instant now, const std::vector<Target>& targets,
                                     const std::vector<std::string>& avoid) {
  if (targets.empty()) return std::nullopt;
  const size_t count = targets.size();
  const uint64_t start = rotation_++;
  for (size_t i = 0; i < count; ++i) {
    const Target& target = targets[(start + i) % count];
    if (ejector_.IsEjected(now, target.address) || Contains(avoid, target.address)) continue;
    rotation_ = start + i + 1;
    return target;
  }
  return targets[start % count];
}

void Picker::OnStart(const std::string& address) {
  if (loads_.size() >= kLoadsMax && !loads_.contains(address)) {
    // Forgets idle addresses; as many as are in use stay, and those are bounded by the caller.
    std::erase_if(loads_, [](const auto& entry) { return entry.second.outstanding == 0; });
  }
  ++loads_[address].outstanding;
}

void Picker::OnDone(Instant now, const std::string& address, Duration latency, bool ok) {
  Load& load = loads_[address];
  if (load.outstanding > 0) --load.outstanding;
  const uint64_t sample =
      std::min(static_cast<uint64_t>(std::max<int64_t>(latency.nanos(), 0)), kNanosMax);
  const uint64_t decayed = Decayed(now, load);
  if (sample >= load.ewma_nanos) {
    load.ewma_nanos = sample;
  } else if (ok) {
    // A quick failure is no proof of speed.
    load.ewma_nanos = std::max(sample, decayed);
  }
  load.stamp = now;
  if (ok) {
    ejector_.OnSuccess(now, address);
  } else {
    ejector_.OnFailure(now, address, endpoints_);
  }
}

bool Picker::IsEjected(Instant now, const std::string& address) const {
  return ejector_.IsEjected(now, address);
}

uint64_t Picker::Decayed(Instant now, const Load& load) const {
  const uint64_t half_life =
      std::clamp<uint64_t>(static_cast<uint64_t>(options_.latency_half_life.nanos()), 1, kNanosMax);
  const uint64_t elapsed = static_cast<uint64_t>(std::max<int64_t>((now - load.stamp).nanos(), 0));
  const uint64_t halvings = elapsed / half_life;
  if (halvings >= 63) return 0;
  // 2^-x between two halvings is taken as the straight line from 1 to 1/2: within 7 %.
  const uint64_t whole = load.ewma_nanos >> halvings;
  const uint64_t fraction_1024 = elapsed % half_life * 1024 / half_life;
  return whole - whole / 2 * fraction_1024 / 1024;
}

uint64_t Picker::Cost(Instant now, const std::string& address) const {
  const auto it = loads_.find(address);
  // In microseconds; the 1 makes outstanding calls count where nothing was measured yet.
  if (it == loads_.end()) return 1;
  const uint64_t micros = Decayed(now, it->second) / 1000 + 1;
  return std::min<uint64_t>(micros, UINT32_MAX) * (uint64_t{it->second.outstanding} + 1);
}

}  // namespace tidemark::balancer
