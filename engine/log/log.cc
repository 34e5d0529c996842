#include "engine/log/log.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/compaction_pass.h"
#include "engine/log/digest.h"
#include "engine/log/log_impl.h"
#include "engine/log/segment_replacement.h"

// Appending and staging. FORMAT.md section 2.

namespace tidemark {
namespace {

constexpr uint64_t kBlock = 4096;
// More than one flush of one log has.
constexpr size_t kSpareSlicesMax = 16;

void AddOnce(std::vector<FileId>& files, const FileId& file) {
  // The last one first: nearly always it is the same segment again.
  if (std::find(files.rbegin(), files.rend(), file) == files.rend()) files.push_back(file);
}

}  // namespace

Log::Impl::Impl(GroupId group_in, const LogOptions& options_in)
    : group(group_in), options(options_in) {}
Log::Impl::~Impl() = default;
Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;
Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;

void Log::SetCheckpointSource(const CheckpointSource* source) { impl_->source = source; }

LogIndex Log::first_index() const {
  return impl_->segments.empty() ? LogIndex(1) : impl_->segments.front().base_index;
}
LogIndex Log::last_index() const { return impl_->last_index(); }
Term Log::last_term() const { return impl_->last_term(); }
Offset Log::next_offset() const { return impl_->next_offset(); }
Offset Log::start_offset() const {
  return impl_->segments.empty() ? Offset(0) : impl_->segments.front().base_offset;
}
LogIndex Log::durable_index() const { return impl_->durable; }
LogIndex Log::written_index() const { return impl_->written; }
LogIndex Log::committed_index() const { return impl_->committed; }
uint64_t Log::digest() const { return impl_->last_digest(); }

uint64_t Log::size_bytes() const {
  uint64_t bytes = 0;
  for (const Segment& segment : impl_->segments) bytes += segment.size;
  return bytes;
}

void Log::Append(Entry entry, WallTime wall) {
  Impl& log = *impl_;
  TIDEMARK_CHECK_EQ(entry.index, log.last_index() + 1);
  TIDEMARK_CHECK_GE(entry.term, log.last_term());
  TIDEMARK_CHECK_EQ(entry.base_offset, log.next_offset());
  TIDEMARK_CHECK_GE(entry.frame.size(), kBatchHeaderBytes);
  TIDEMARK_CHECK_LE(entry.frame.size(), kBatchBytesMax);
  const uint64_t bytes = entry.frame.size();
  wall = std::max(wall, log.last_append);  // append times never go back, whatever the clock does
  if (log.MustRoll(entry)) {
    log.StartSegment(bytes, wall);
  } else if (entry.term != log.last_term()) {
    log.EndRun();  // a run has one term
  }
  Segment& segment = log.segments.back();
  if (log.run_first == segment.count) log.run_time = wall;
  segment.NoteFrame(bytes, entry.offset_span);
  log.WriteSlice(segment, entry.frame);
  segment.digest = DigestFrame(segment.digest, entry.frame.view());
  segment.end_offset = static_cast<uint32_t>(entry.end_offset() - segment.base_offset);
  log.tail.push_back({.pos = static_cast<uint32_t>(segment.size),
                      .end_offset = segment.end_offset,
                      .digest = segment.digest});
  const uint64_t run_pos = log.FrameAtIndex(segment.base_index + log.run_first).pos;
  segment.size += bytes;
  segment.last_append = wall;
  ++segment.count;
  if (entry.term != log.last_term()) log.terms.emplace_back(entry.index, entry.term);
  log.last_append = wall;
  log.since_checkpoint += bytes;
  log.staged_bytes += bytes;
  log.cache_bytes += bytes;
  log.cache.push_back(std::move(entry));
  if (segment.size - run_pos >= std::max<uint64_t>(log.options.index_interval_bytes, 1)) {
    log.EndRun();
  }
  log.EvictCache();
}

bool Log::Impl::MustRoll(const Entry& entry) const {
  if (segments.empty() || seal) return true;
  const Segment& segment = segments.back();
  if (segment.size + entry.frame.size() > segment.capacity ||
      entry.end_offset() - segment.base_offset > UINT32_MAX) {
    return true;
  }
  if (entry.term == last_term()) return false;
  size_t changes = 1;
  for (auto at = terms.rbegin(); at != terms.rend() && at->first > segment.base_index; ++at) {
    ++changes;
  }
  return changes >= kSegmentTermsMax;
}

void Log::Impl::StartSegment(uint64_t frame_bytes, WallTime wall) {
  Segment segment;
  segment.base_index = last_index() + 1;
  segment.base_offset = next_offset();
  segment.base_digest = last_digest();
  // Recovery may have found a segment that a crash kept from getting its first frame, or of which
  // all was given up. It may be all there is of the log.
  if (!segments.empty() && segments.back().count == 0) PopSegment();
  if (!segments.empty()) {
    EndRun();
    Segment& full = segments.back();
    if (full.has_index && !full.index_stale) StageIndex(full);
    if (!full.sealed) unsealed.push_back(full.number);
    full.last_append = std::min(full.last_append, wall);
  }
  seal = false;
  replaced_staged.insert(replaced_staged.end(), replaced.begin(), replaced.end());
  replaced.clear();
  const uint64_t wanted = std::max(options.segment_bytes, kSegmentHeaderBytes + frame_bytes);
  segment.number = next_number++;
  segment.digest = segment.base_digest;
  segment.capacity = (wanted + kBlock - 1) / kBlock * kBlock;
  segment.last_append = wall;
  const SegmentHeader header{
      .group = group,
      .number = segment.number,
      .base_index = segment.base_index,
      .base_offset = segment.base_offset,
      .previous_number = segments.empty() ? 0 : segments.back().chain_number(),
      .previous_term = last_term(),
      .previous_digest = segment.base_digest,
      .created = wall,
      .durable = std::min(durable, segment.base_index - 1)};
  const FileId file = SegmentFile(segment);
  staged.ops.push_back(CreateFile{file, segment.capacity});
  staged.ops.push_back(CreateFile{IndexFile(segment), 0});
  staged.ops.push_back(WriteFile{file, FilePos(0), {Bytes::From(EncodeSegmentHeader(header))}});
  AddOnce(staged_sync, file);
  segment.unwritten = IndexFileHeader();
  segments.push_back(std::move(segment));
  run_first = 0;
  AddCheckpoint(segments.back());
  // With it the sidecar's name and its checkpoint are durable as soon as the segment is.
  StageIndex(segments.back());
  AddOnce(staged_sync, IndexFile(segments.back()));
}

void Log::Impl::WriteSlice(const Segment& segment, Bytes bytes) {
  // Frames behind each other are one write.
  const FileId file = SegmentFile(segment);
  AddOnce(staged_sync, file);
  if (!staged.ops.empty()) {
    auto* last = std::get_if<WriteFile>(&staged.ops.back());
    if (last != nullptr && last->file == file) {
      last->data.push_back(std::move(bytes));
      return;
    }
  }
  WriteFile write{file, FilePos(segment.size), {}};
  if (!spare_slices.empty()) {
    write.data = std::move(spare_slices.back());
    spare_slices.pop_back();
  }
  write.data.push_back(std::move(bytes));
  // The frames and their index: what most batches are.
  if (staged.ops.empty()) staged.ops.reserve(2);
  staged.ops.push_back(std::move(write));
}

void Log::Impl::Recycle(FileBatch spent) {
  for (FileOp& op : spent.ops) {
    auto* write = std::get_if<WriteFile>(&op);
    if (write == nullptr) continue;
    write->data.clear();
    if (spare_slices.size() < kSpareSlicesMax) spare_slices.push_back(std::move(write->data));
  }
  spent.ops.clear();
  spent.sync.clear();
  if (spare.ops.capacity() < spent.ops.capacity()) spare.ops = std::move(spent.ops);
  if (spare.sync.capacity() < spent.sync.capacity()) spare.sync = std::move(spent.sync);
  // What nobody else refers to any more was lent to this batch.
  for (std::shared_ptr<std::string>& bytes : lent_bytes) {
    if (bytes.use_count() == 1 && spare_bytes.size() < kSpareSlicesMax) {
      spare_bytes.push_back(std::move(bytes));
    }
  }
  lent_bytes.clear();
}

void Log::Impl::RaiseFloor() {
  const LogIndex to = std::min(committed, durable);
  while (floor.index < to) {
    const LogIndex index = floor.index + 1;
    const Segment& segment = segments[SegmentAt(index)];
    floor = {.index = index,
             .end_offset = segment.base_offset + tail.front().end_offset,
             .digest = tail.front().digest};
    tail.pop_front();
  }
}

void Log::SetCommitted(LogIndex index) {
  Impl& log = *impl_;
  TIDEMARK_CHECK_LE(index, log.last_index());
  if (index <= log.committed) return;
  log.committed = index;
  log.RaiseFloor();
}

bool Log::has_staged() const { return has_staged_writes() || !impl_->staged_sync.empty(); }
bool Log::has_staged_writes() const {
  return !impl_->staged.ops.empty() || !impl_->unstaged_removals.empty() ||
         impl_->checkpoint_wanted;
}
uint64_t Log::staged_bytes() const { return impl_->staged_bytes; }

void Log::StageCheckpoint() {
  Impl& log = *impl_;
  if (log.segments.empty() || log.seal) return;
  // It vouches for what is committed, too.
  if (log.since_checkpoint > 0 || log.checkpoint_committed < std::min(log.committed, log.durable)) {
    log.checkpoint_wanted = true;
  }
}

FileBatch Log::TakeBatch(Syncs syncs) {
  Impl& log = *impl_;
  TIDEMARK_CHECK(!log.outstanding);
  TIDEMARK_CHECK(has_staged());
  if (!log.segments.empty() && !log.seal) {
    Segment& segment = log.segments.back();
    log.EndRun();
    // A checkpoint is no use before what it stands for is durable.
    if (log.checkpoint_wanted ||
        (syncs == Syncs::kAll && log.since_checkpoint >= log.options.checkpoint_bytes)) {
      log.AddCheckpoint(segment);
      AddOnce(log.staged_sync, log.IndexFile(segment));
    }
    log.StageIndex(segment);
  }
  log.checkpoint_wanted = false;
  for (const FileId& file : log.unstaged_removals) log.staged.ops.push_back(RemoveFile{file});
  log.unstaged_removals.clear();
  FileBatch batch = std::exchange(log.staged, std::exchange(log.spare, {}));
  // What is removed need not, and cannot, be synced.
  for (const FileOp& op : batch.ops) {
    if (const auto* remove = std::get_if<RemoveFile>(&op)) {
      std::erase(log.staged_sync, remove->file);
    }
  }
  if (syncs == Syncs::kAll) {
    std::swap(batch.sync, log.staged_sync);
    log.replaced_outstanding = std::exchange(log.replaced_staged, {});
  }
  log.staged_bytes = 0;
  log.outstanding = true;
  ++log.batches_taken;
  log.outstanding_syncs = syncs == Syncs::kAll;
  log.outstanding_last = log.last_index();
  log.outstanding_number = log.next_number - 1;
  return batch;
}

void Log::OnBatchDurable(FileBatch spent) {
  Impl& log = *impl_;
  TIDEMARK_CHECK(log.outstanding && log.outstanding_syncs);
  log.Recycle(std::move(spent));
  log.outstanding = false;
  log.batches_synced = log.batches_taken;
  log.durable = std::max(log.durable, log.outstanding_last);
  log.written = std::max(log.written, log.durable);
  for (const FileId& file : std::exchange(log.replaced_outstanding, {})) {
    log.staged.ops.push_back(RemoveFile{file});
  }
  log.RaiseFloor();
  const auto removes = [](const FileOp& op) { return std::holds_alternative<RemoveFile>(op); };
  if (log.leftovers && log.replaced.empty() && log.replaced_staged.empty() &&
      std::none_of(log.staged.ops.begin(), log.staged.ops.end(), removes)) {
    log.leftovers = false;
  }
  log.StageFooters();
  log.EvictCache();
}

void Log::OnBatchWritten(FileBatch spent) {
  Impl& log = *impl_;
  TIDEMARK_CHECK(log.outstanding && !log.outstanding_syncs);
  log.Recycle(std::move(spent));
  log.outstanding = false;
  log.written = std::max(log.written, log.outstanding_last);
  log.EvictCache();
}

void Log::Impl::EvictCache() {
  while (cache_bytes > options.cache_bytes && !cache.empty() && cache.front().index <= written) {
    cache_bytes -= cache.front().frame.size();
    cache.pop_front();
  }
}

void Log::SetSegmentBytes(uint64_t segment_bytes) {
  TIDEMARK_CHECK_LE(segment_bytes, kSegmentBytesMax);
  impl_->options.segment_bytes = segment_bytes;
}

SnapshotFiles Log::ReserveForSnapshot(uint64_t count) {
  const uint64_t first = impl_->next_number;
  impl_->next_number += count;
  return {.first = first, .end = impl_->next_number};
}

uint64_t Log::next_number() const { return impl_->next_number; }

void Log::RemoveStrangers(const std::vector<FileId>& files) {
  impl_->unstaged_removals.insert(impl_->unstaged_removals.end(), files.begin(), files.end());
}

bool Log::has_leftovers() const { return impl_->leftovers; }

std::vector<FileId> Log::Files() const {
  std::vector<FileId> files;
  for (const Segment& segment : impl_->segments) {
    files.push_back(impl_->SegmentFile(segment));
    if (segment.has_index) files.push_back(impl_->IndexFile(segment));
  }
  if (impl_->pass != nullptr) {
    const std::vector<FileId> unfinished = impl_->pass->Files();
    files.insert(files.end(), unfinished.begin(), unfinished.end());
  }
  if (impl_->replacement != nullptr) {
    const std::vector<FileId> unfinished = impl_->replacement->Files();
    files.insert(files.end(), unfinished.begin(), unfinished.end());
  }
  for (const auto* dead : {&impl_->replaced, &impl_->replaced_staged, &impl_->replaced_outstanding,
                           &impl_->unstaged_removals}) {
    files.insert(files.end(), dead->begin(), dead->end());
  }
  // What would have gone with the next batch.
  for (const FileOp& op : impl_->staged.ops) {
    if (const auto* removal = std::get_if<RemoveFile>(&op)) files.push_back(removal->file);
  }
  return files;
}

}  // namespace tidemark
