#include "engine/node/digest_watch.h"

#include <algorithm>

#include "engine/base/limits.h"

namespace tidemark {

void DigestWatch::OnAppended(LogIndex index, uint64_t digest) {
  if (index.value() % kDigestSampleEntries != 0) return;
  samples_.push_back({.index = index, .digest = digest});
  if (samples_.size() > kDigestSamplesMax) samples_.pop_front();
}

void DigestWatch::OnTruncated(LogIndex from) {
  while (!samples_.empty() && samples_.back().index >= from) samples_.pop_back();
}

void DigestWatch::Clear() {
  samples_.clear();
  differing_.clear();
  reported_ = agreed_ = LogIndex(0);
}

std::optional<uint64_t> DigestWatch::At(LogIndex index) const {
  const auto found = std::lower_bound(
      samples_.begin(), samples_.end(), index,
      [](const DigestReport& sample, LogIndex wanted) { return sample.index < wanted; });
  if (found == samples_.end() || found->index != index) return std::nullopt;
  return found->digest;
}

std::optional<DigestReport> DigestWatch::Report(Instant now, Duration interval, LogIndex verified) {
  if (now < next_at_) return std::nullopt;
  const auto behind = std::upper_bound(
      samples_.begin(), samples_.end(), verified,
      [](LogIndex wanted, const DigestReport& sample) { return wanted < sample.index; });
  if (behind == samples_.begin() || std::prev(behind)->index <= reported_) return std::nullopt;
  next_at_ = now + interval;
  reported_ = std::prev(behind)->index;
  return *std::prev(behind);
}

DigestWatch::Verdict DigestWatch::OnReport(NodeId from, const DigestReport& report,
                                           LogIndex verified, const raft::NodeSet& voters) {
  const std::optional<uint64_t> own = At(report.index);
  if (!own.has_value() || report.index > verified) return Verdict::kUnknown;
  if (*own == report.digest) {
    differing_.erase(from);
    agreed_ = std::max(agreed_, report.index);
    return Verdict::kSame;
  }
  differing_[from] = report;
  size_t others = 0;
  for (const auto& [node, each] : differing_) {
    others += voters.Contains(node) && each == report ? 1 : 0;
  }
  return others > voters.size() / 2 ? Verdict::kOutvoted : Verdict::kDiffers;
}

}  // namespace tidemark
