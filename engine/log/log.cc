#include "engine/log/log.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/log_impl.h"

// Appending, cutting, staging. FORMAT.md sections 2 and 3.

namespace tidemark {
namespace {

constexpr uint64_t kBlock = 4096;

}  // namespace

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;
Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;

LogIndex Log::first_index() const { return LogIndex(1); }
LogIndex Log::last_index() const { return impl_->last_index(); }
Term Log::last_term() const { return impl_->last_term(); }
Offset Log::next_offset() const { return impl_->next_offset(); }
Offset Log::start_offset() const { return Offset(0); }
LogIndex Log::durable_index() const { return impl_->durable; }

void Log::Append(Entry entry, WallTime wall) {
  Impl& log = *impl_;
  TIDEMARK_CHECK_EQ(entry.index, log.last_index() + 1);
  TIDEMARK_CHECK_GE(entry.term, log.last_term());
  TIDEMARK_CHECK_EQ(entry.base_offset, log.next_offset());
  TIDEMARK_CHECK_GE(entry.frame.size(), kBatchHeaderBytes);
  TIDEMARK_CHECK_LE(entry.frame.size(), kBatchBytesMax);
  const uint64_t bytes = entry.frame.size();
  wall = std::max(wall, log.last_append);  // append times never go back, whatever the clock does
  if (log.segments.empty() || log.seal ||
      log.segments.back().size + bytes > log.segments.back().capacity ||
      entry.end_offset() - log.segments.back().base_offset > UINT32_MAX) {
    log.StartSegment(bytes, wall);
  }
  Segment& segment = log.segments.back();
  if (log.run_first == segment.frames.size()) log.run_time = wall;
  log.run_digest = Crc32c(entry.frame.view().substr(0, kFrameHeadBytes), log.run_digest);
  log.WriteSlice(segment, entry.frame);
  segment.frames.push_back(
      {.pos = static_cast<uint32_t>(segment.size),
       .end_offset = static_cast<uint32_t>(entry.end_offset() - segment.base_offset)});
  segment.size += bytes;
  if (log.terms.empty() || log.terms.back().second != entry.term) {
    log.terms.emplace_back(entry.index, entry.term);
  }
  log.last_append = wall;
  log.staged_sync.insert(log.SegmentFile(segment));
  log.staged_bytes += bytes;
  log.cache_bytes += bytes;
  log.cache.push_back(std::move(entry));
  if (segment.size - segment.frames[log.run_first].pos >=
      std::max<uint64_t>(log.options.index_interval_bytes, 1)) {
    log.EndRun();
  }
  log.EvictCache();
}

void Log::Impl::StartSegment(uint64_t frame_bytes, WallTime wall) {
  if (!segments.empty() && run_first < segments.back().frames.size()) EndRun();
  if (!segments.empty() && segments.back().has_index) {
    staged_sync.insert(IndexFile(segments.back()));
  }
  seal = false;
  // Recovery may have found a segment that a crash kept from getting its first frame.
  if (!segments.empty() && segments.back().frames.empty()) PopSegment();
  replaced_staged.insert(replaced_staged.end(), replaced.begin(), replaced.end());
  replaced.clear();
  const uint64_t wanted = std::max(options.segment_bytes, kSegmentHeaderBytes + frame_bytes);
  Segment segment;
  segment.number = next_number++;
  segment.base_index = last_index() + 1;
  segment.base_offset = next_offset();
  segment.capacity = (wanted + kBlock - 1) / kBlock * kBlock;
  const SegmentHeader header{.group = group,
                             .number = segment.number,
                             .base_index = segment.base_index,
                             .base_offset = segment.base_offset,
                             .previous_number = segments.empty() ? 0 : segments.back().number,
                             .previous_term = last_term(),
                             .created = wall,
                             .durable = std::min(durable, last_index())};
  const FileId file = SegmentFile(segment);
  staged.ops.push_back(CreateFile{file, segment.capacity});
  staged.ops.push_back(CreateFile{IndexFile(segment), 0});
  staged.ops.push_back(WriteFile{file, FilePos(0), {Bytes::From(EncodeSegmentHeader(header))}});
  staged_sync.insert(file);
  segments.push_back(std::move(segment));
  run_first = 0;
}

void Log::Impl::WriteSlice(const Segment& segment, Bytes bytes) {
  // Frames behind each other are one write.
  const FileId file = SegmentFile(segment);
  if (!staged.ops.empty() && segment.size != kSegmentHeaderBytes) {
    auto* last = std::get_if<WriteFile>(&staged.ops.back());
    if (last != nullptr && last->file == file) {
      last->data.push_back(std::move(bytes));
      return;
    }
  }
  staged.ops.push_back(WriteFile{file, FilePos(segment.size), {std::move(bytes)}});
}

void Log::Impl::EndRun() {
  Segment& segment = segments.back();
  const uint32_t end = static_cast<uint32_t>(segment.frames.size());
  const LogIndex known = std::clamp(durable + 1, segment.base_index, segment.end_index());
  const IndexEntry entry{
      .pos = segment.frames[run_first].pos,
      .length = static_cast<uint32_t>(segment.size - segment.frames[run_first].pos),
      .first = run_first,
      .count = end - run_first,
      .durable = static_cast<uint32_t>(known - segment.base_index),
      .append_time_ms = run_time.millis(),
      .digest = run_digest};
  segment.times.emplace_back(run_first, run_time);
  // In front of the segment's own write, which the next frames extend.
  const auto write = WriteFile{IndexFile(segment),
                               FilePos(segment.index_bytes),
                               {Bytes::From(EncodeIndexEntry(entry, segment.index_chain))}};
  auto at = staged.ops.end();
  if (!staged.ops.empty()) {
    const auto* last = std::get_if<WriteFile>(&staged.ops.back());
    if (last != nullptr && last->file == SegmentFile(segment)) --at;
  }
  staged.ops.insert(at, write);
  segment.index_bytes += kIndexEntryBytes;
  run_first = end;
  run_digest = 0;
}

void Log::Impl::PopSegment() {
  const Segment& segment = segments.back();
  replaced.push_back(SegmentFile(segment));
  if (segment.has_index) replaced.push_back(IndexFile(segment));
  segments.pop_back();
}

void Log::TruncateSuffix(LogIndex from) {
  Impl& log = *impl_;
  TIDEMARK_CHECK_GE(from, first_index());
  if (from > log.last_index()) return;
  while (!log.segments.empty() && log.segments.back().base_index >= from) {
    log.PopSegment();
  }
  if (!log.segments.empty()) {
    Segment& segment = log.segments.back();
    const size_t keep = from - segment.base_index;
    if (keep < segment.frames.size()) {
      segment.size = segment.frames[keep].pos;
      segment.frames.resize(keep);
      while (!segment.times.empty() && segment.times.back().first >= keep) {
        segment.times.pop_back();
      }
    }
    // Its frames from here on are replaced by the next segment, never overwritten.
    log.run_first = static_cast<uint32_t>(segment.frames.size());
  }
  log.run_digest = 0;
  log.seal = true;
  while (!log.terms.empty() && log.terms.back().first >= from) log.terms.pop_back();
  while (!log.cache.empty() && log.cache.back().index >= from) {
    log.cache_bytes -= log.cache.back().frame.size();
    log.cache.pop_back();
  }
  log.durable = std::min(log.durable, from - 1);
  log.outstanding_last = std::min(log.outstanding_last, from - 1);
}

bool Log::has_staged() const { return !impl_->staged.ops.empty() || !impl_->staged_sync.empty(); }
uint64_t Log::staged_bytes() const { return impl_->staged_bytes; }

FileBatch Log::TakeBatch() {
  Impl& log = *impl_;
  TIDEMARK_CHECK(!log.outstanding);
  TIDEMARK_CHECK(has_staged());
  if (!log.segments.empty() && !log.seal && log.run_first < log.segments.back().frames.size()) {
    log.EndRun();
  }
  FileBatch batch = std::exchange(log.staged, {});
  batch.sync.assign(log.staged_sync.begin(), log.staged_sync.end());
  log.staged_sync.clear();
  log.staged_bytes = 0;
  log.replaced_outstanding = std::exchange(log.replaced_staged, {});
  log.outstanding = true;
  log.outstanding_last = log.last_index();
  return batch;
}

void Log::OnBatchDurable() {
  Impl& log = *impl_;
  TIDEMARK_CHECK(log.outstanding);
  log.outstanding = false;
  log.durable = std::max(log.durable, log.outstanding_last);
  for (const FileId& file : std::exchange(log.replaced_outstanding, {})) {
    log.staged.ops.push_back(RemoveFile{file});
  }
  log.EvictCache();
}

void Log::Impl::EvictCache() {
  while (cache_bytes > options.cache_bytes && cache.front().index <= durable) {
    cache_bytes -= cache.front().frame.size();
    cache.pop_front();
  }
}

void Log::SetSegmentBytes(uint64_t segment_bytes) {
  TIDEMARK_CHECK_LE(segment_bytes, kSegmentBytesMax);
  impl_->options.segment_bytes = segment_bytes;
}

std::vector<FileId> Log::Files() const {
  std::vector<FileId> files;
  for (const Segment& segment : impl_->segments) {
    files.push_back(impl_->SegmentFile(segment));
    if (segment.has_index) files.push_back(impl_->IndexFile(segment));
  }
  for (const auto* dead :
       {&impl_->replaced, &impl_->replaced_staged, &impl_->replaced_outstanding}) {
    files.insert(files.end(), dead->begin(), dead->end());
  }
  return files;
}

}  // namespace tidemark
