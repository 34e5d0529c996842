#include "engine/balancer/ejection.h"

#include <algorithm>

namespace tidemark::balancer {
namespace {

// Doublings beyond this exceed any sensible maximum.
constexpr uint32_t kDoublingsMax = 20;

}  // namespace

OutlierEjector::OutlierEjector(EjectionOptions options, Prng prng)
    : options_(options), prng_(prng) {}

void OutlierEjector::OnSuccess(Instant now, const std::string& address) {
  const auto it = states_.find(address);
  if (it == states_.end()) return;
  State& state = it->second;
  state.failures = 0;
  // An answer from before the ejection proves nothing about now: the ejection stands.
  while (state.ejections > 0 && state.good_since + options_.base <= now) {
    --state.ejections;
    state.good_since = state.good_since + options_.base;
  }
  if (state.ejections == 0 && state.until <= now) states_.erase(it);
}

void OutlierEjector::OnFailure(Instant now, const std::string& address, size_t endpoints_total) {
  State& state = states_[address];
  if (now < state.until) return;
  ++state.failures;
  const bool on_parole = state.ejections > 0 && state.until != Instant();
  if (state.failures < options_.consecutive_failures && !on_parole) return;
  if ((EjectedCount(now) + 1) * 100 > endpoints_total * options_.share_percent_max) return;
  const int64_t doublings = int64_t{1} << std::min(state.ejections, kDoublingsMax);
  Duration length = options_.max;
  if (options_.base.nanos() < options_.max.nanos() / doublings) length = options_.base * doublings;
  length = length + prng_.Between(Duration(), length / 4 + Duration::Nanos(1));
  state.until = now + length;
  state.good_since = state.until;
  state.failures = 0;
  state.ejections = std::min(state.ejections + 1, kDoublingsMax);
}

bool OutlierEjector::IsEjected(Instant now, const std::string& address) const {
  const auto it = states_.find(address);
  return it != states_.end() && now < it->second.until;
}

size_t OutlierEjector::EjectedCount(Instant now) const {
  size_t count = 0;
  for (const auto& [address, state] : states_) {
    if (now < state.until) ++count;
  }
  return count;
}

}  // namespace tidemark::balancer
