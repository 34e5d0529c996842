#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/log/scrub.h"
#include "tests/engine/log/log_fixture.h"

namespace tidemark {

// What `disk` has of the bytes asked for.
inline std::string_view BytesOf(const MemoryDisk& disk, const ScrubRead& read) {
  const std::string_view file = disk.Read(read.file);
  return file.substr(std::min<size_t>(read.pos.value(), file.size()), read.length);
}

inline std::vector<Finding> ScrubOne(SealedSegment segment, const MemoryDisk& disk) {
  SegmentScrub scrub(std::move(segment));
  while (const auto read = scrub.NextRead()) scrub.OnRead(BytesOf(disk, *read));
  return scrub.TakeFindings();
}

// All full segments, once.
inline std::vector<Finding> ScrubAll(const Log& log, const MemoryDisk& disk) {
  std::vector<Finding> findings;
  LogIndex after;
  while (auto segment = log.SealedSegmentAfter(after)) {
    after = segment->end_index - 1;
    for (Finding& finding : ScrubOne(*std::move(segment), disk)) {
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

inline std::vector<SealedSegment> SealedSegments(const Log& log) {
  std::vector<SealedSegment> segments;
  LogIndex after;
  while (auto segment = log.SealedSegmentAfter(after)) {
    after = segment->end_index - 1;
    segments.push_back(*std::move(segment));
  }
  return segments;
}

// Five segments or so with a cut, all durable and committed.
inline void FillSegments(LogOnDisk& on_disk, size_t entries = 60) {
  for (size_t i = 0; i < entries; ++i) {
    on_disk.Append(static_cast<uint32_t>(i % 4), 100 + i * 7 % 400, Term(1 + i / 10));
    if (i % 3 == 0) on_disk.Flush();
    if (i == 20) on_disk.Truncate(LogIndex(18));
  }
  on_disk.Flush();
  on_disk.log->SetCommitted(on_disk.log->last_index());
}

class LogMap final : public ScrubLogs {
 public:
  std::optional<GroupId> After(std::optional<GroupId> group) const override {
    const auto at = group.has_value() ? logs.upper_bound(*group) : logs.begin();
    return at == logs.end() ? std::nullopt : std::optional(at->first);
  }
  const Log* Find(GroupId group) const override {
    const auto at = logs.find(group);
    return at == logs.end() ? nullptr : at->second;
  }
  std::map<GroupId, const Log*> logs;
};

}  // namespace tidemark
