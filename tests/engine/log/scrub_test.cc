#include "engine/log/scrub.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "tests/engine/log/scrub_fixture.h"

namespace tidemark {
namespace {

constexpr ScrubOptions kOptions{.bytes_per_second = 10'000, .pause = Duration::Seconds(60)};

// Drives a scrubber over logs on disks, from deadline to deadline.
struct Scrubbing {
  explicit Scrubbing(const ScrubOptions& options = kOptions) : scrubber(options, now) {}

  // One read, or the end of a pass; false if the deadline is never.
  void Step() {
    now = std::max(now, scrubber.next_deadline());
    const auto read = scrubber.TakeRead(now, logs);
    if (!read.has_value()) return;
    reads.emplace_back(now, read->length);
    files.push_back(read->file);
    EXPECT_EQ(scrubber.next_deadline(), Instant::Never());
    EXPECT_FALSE(scrubber.TakeRead(now, logs).has_value()) << "one is under way";
    if (before_answer) before_answer();
    scrubber.OnRead(now, logs, Answer(*read));
  }
  void Pass() {
    const uint64_t passes = scrubber.progress().passes;
    while (scrubber.progress().passes == passes) Step();
  }
  absl::StatusOr<Bytes> Answer(const ScrubRead& read) {
    if (!error.ok()) return std::exchange(error, errors-- > 1 ? error : absl::OkStatus());
    const MemoryDisk& disk = *disks.at(read.file.group);
    if (!disk.Exists(read.file)) return absl::NotFoundError("it is not there");
    return Bytes::Copy(BytesOf(disk, read));
  }

  Instant now = Instant::FromNanos(1'000'000'000);
  Scrubber scrubber;
  LogMap logs;
  std::map<GroupId, MemoryDisk*> disks;
  std::vector<std::pair<Instant, uint64_t>> reads;
  std::vector<FileId> files;
  std::function<void()> before_answer;
  absl::Status error;
  int errors = 0;
};

void Add(Scrubbing& scrubbing, LogOnDisk& on_disk) {
  scrubbing.logs.logs[kGroup] = &*on_disk.log;
  scrubbing.disks[kGroup] = &on_disk.disk;
}

TEST(Scrubber, GoesThroughAllSegmentsAgainAndAgainWithAPauseBetween) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  Scrubbing scrubbing;
  Add(scrubbing, on_disk);
  scrubbing.Pass();
  const ScrubProgress first = scrubbing.scrubber.progress();
  EXPECT_EQ(first.passes, 1u);
  EXPECT_EQ(first.pass_bytes, on_disk.log->sealed_bytes());
  EXPECT_EQ(first.pass_bytes_total, on_disk.log->sealed_bytes());
  EXPECT_EQ(first.findings, 0u);
  EXPECT_EQ(first.file, FileId{});
  std::vector<FileId> segments;
  for (const FileId& file : scrubbing.files) {
    if (file.kind == FileKind::kSegment && (segments.empty() || segments.back() != file)) {
      segments.push_back(file);
    }
  }
  ASSERT_EQ(segments.size(), SealedSegments(*on_disk.log).size());
  EXPECT_TRUE(std::is_sorted(segments.begin(), segments.end()));
  const Instant ended = scrubbing.now;
  const size_t reads = scrubbing.reads.size();
  scrubbing.Pass();
  EXPECT_EQ(scrubbing.reads.size(), 2 * reads);
  EXPECT_GE(scrubbing.reads[reads].first, ended + kOptions.pause);
  EXPECT_EQ(scrubbing.scrubber.progress().passes, 2u);
}

TEST(Scrubber, NeverReadsFasterThanItIsTold) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  Scrubbing scrubbing;
  Add(scrubbing, on_disk);
  scrubbing.Pass();
  uint64_t bytes = 0;
  for (size_t i = 0; i + 1 < scrubbing.reads.size(); ++i) {
    bytes += scrubbing.reads[i].second;
    const Duration took = scrubbing.reads[i + 1].first - scrubbing.reads[0].first;
    EXPECT_GE(took.nanos() + 1000, static_cast<int64_t>(bytes * 100'000)) << i;
    EXPECT_LE(scrubbing.reads[i].second, kScrubReadBytes);
  }
  const double seconds =
      static_cast<double>(scrubbing.scrubber.progress().last_pass.millis()) / 1e3;
  EXPECT_NEAR(seconds, static_cast<double>(on_disk.log->sealed_bytes()) / 10'000, 0.1);
}

TEST(Scrubber, ReportsDamageInEachPassUntilItIsGone) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  Scrubbing scrubbing;
  Add(scrubbing, on_disk);
  char& byte = on_disk.disk.Contents(SealedSegments(*on_disk.log)[2].file())[5000];
  byte ^= 1;
  for (uint64_t pass = 1; pass <= 2; ++pass) {
    scrubbing.Pass();
    EXPECT_EQ(scrubbing.scrubber.TakeFindings().size(), 1u);
    EXPECT_EQ(scrubbing.scrubber.progress().findings, pass);
    EXPECT_EQ(scrubbing.scrubber.progress().damaged_segments, 1u);
  }
  byte ^= 1;
  scrubbing.Pass();
  EXPECT_TRUE(scrubbing.scrubber.TakeFindings().empty());
  EXPECT_EQ(scrubbing.scrubber.progress().damaged_segments, 0u);
}

TEST(Scrubber, LooksAtWhatSomebodyNamesInAPauseAndWithoutPasses) {
  for (const uint64_t rate : {10'000, 0}) {
    const bool passes = rate > 0;
    LogOnDisk on_disk;
    FillSegments(on_disk);
    Scrubbing scrubbing({.bytes_per_second = rate, .pause = kOptions.pause});
    Add(scrubbing, on_disk);
    if (passes) scrubbing.Pass();
    const Instant ended = scrubbing.now;
    const ScrubProgress before = scrubbing.scrubber.progress();
    EXPECT_EQ(scrubbing.scrubber.next_deadline() == Instant::Never(), !passes);
    const std::vector<SealedSegment> segments = SealedSegments(*on_disk.log);
    on_disk.disk.Contents(segments[2].file())[5000] ^= 1;
    // Once, however often it is named; the one behind is intact.
    for (const size_t i : {2, 2, 3}) scrubbing.scrubber.LookAt(segments[i]);
    const size_t reads = scrubbing.reads.size();
    std::vector<Finding> found;
    uint64_t bytes = 0;
    while (scrubbing.scrubber.next_deadline() < ended + kOptions.pause) {
      scrubbing.Step();
      for (const Finding& each : scrubbing.scrubber.TakeFindings()) found.push_back(each);
    }
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].file, segments[2].file());
    for (size_t i = reads; i < scrubbing.reads.size(); ++i) {
      bytes += scrubbing.reads[i].second;
      EXPECT_TRUE(scrubbing.files[i].number == segments[2].number ||
                  scrubbing.files[i].number == segments[3].number);
    }
    EXPECT_EQ(bytes, segments[2].size + segments[2].sidecar_bytes + segments[3].size +
                         segments[3].sidecar_bytes);
    const int64_t nanos_a_byte = 1'000'000'000 / static_cast<int64_t>(passes ? rate : 4u << 20);
    EXPECT_GE((scrubbing.reads.back().first - ended).nanos() + 1000,
              static_cast<int64_t>(bytes - scrubbing.reads.back().second) * nanos_a_byte);
    EXPECT_EQ(scrubbing.scrubber.progress().pass_bytes, before.pass_bytes);
    EXPECT_EQ(scrubbing.scrubber.progress().damaged_segments, before.damaged_segments);
    EXPECT_EQ(scrubbing.scrubber.progress().findings, before.findings + 1);
    EXPECT_EQ(scrubbing.scrubber.progress().file, FileId{});
    if (!passes) continue;
    // The next pass begins when it would have.
    scrubbing.Pass();
    EXPECT_GE(scrubbing.reads.back().first, ended + kOptions.pause);
  }
}

TEST(Scrubber, PassesOverWhatWasNamedAndIsGone) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  Scrubbing scrubbing({.bytes_per_second = 0});
  Add(scrubbing, on_disk);
  const SealedSegment first = SealedSegments(*on_disk.log).front();
  for (size_t i = 0; i < 3 * kScrubSuspectsMax; ++i) {
    SealedSegment other = first;
    other.number += i;
    scrubbing.scrubber.LookAt(other);
  }
  on_disk.log->TruncatePrefix(on_disk.log->last_index());
  on_disk.Flush();
  scrubbing.Step();
  EXPECT_TRUE(scrubbing.reads.empty());
  EXPECT_EQ(scrubbing.scrubber.next_deadline(), Instant::Never());
}

// Whatever goes between a read and its answer is no damage.
TEST(Scrubber, PassesOverSegmentsThatRetentionRemovesMeanwhile) {
  LogOnDisk probe;
  FillSegments(probe);
  const size_t segments = SealedSegments(*probe.log).size();
  for (size_t at = 0; at < 3 * segments; ++at) {
    LogOnDisk on_disk;
    FillSegments(on_disk);
    Scrubbing scrubbing;
    Add(scrubbing, on_disk);
    scrubbing.before_answer = [&] {
      if (scrubbing.reads.size() != at + 1) return;
      on_disk.log->TruncatePrefix(on_disk.log->last_index());
      on_disk.Flush();
    };
    scrubbing.Pass();
    EXPECT_TRUE(scrubbing.scrubber.TakeFindings().empty()) << at;
    scrubbing.Pass();
    EXPECT_TRUE(scrubbing.scrubber.TakeFindings().empty()) << at;
  }
}

TEST(Scrubber, GoesFromGroupToGroupAndForgetsThoseThatGo) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  Scrubbing scrubbing;
  Add(scrubbing, on_disk);
  LogOnDisk empty;
  scrubbing.logs.logs[GroupId(1)] = &*empty.log;
  scrubbing.logs.logs[GroupId(8)] = &*empty.log;
  scrubbing.Pass();
  EXPECT_EQ(scrubbing.scrubber.progress().pass_bytes, on_disk.log->sealed_bytes());
  scrubbing.before_answer = [&] { scrubbing.logs.logs.erase(kGroup); };
  scrubbing.Pass();
  EXPECT_EQ(scrubbing.scrubber.progress().pass_bytes, 0u);
  EXPECT_TRUE(scrubbing.scrubber.TakeFindings().empty());
}

TEST(Scrubber, TriesAgainWhatTheSystemRefusesAndBelievesTheDiskAtOnce) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  Scrubbing scrubbing;
  Add(scrubbing, on_disk);
  scrubbing.error = absl::UnavailableError("too many open files");
  scrubbing.errors = kScrubTriesMax - 1;
  scrubbing.Pass();
  EXPECT_TRUE(scrubbing.scrubber.TakeFindings().empty());
  scrubbing.error = absl::UnavailableError("an input/output error");
  scrubbing.errors = kScrubTriesMax;
  scrubbing.Pass();
  EXPECT_EQ(scrubbing.scrubber.TakeFindings().size(), 1u);
  scrubbing.error = absl::DataLossError("the file ends before");
  scrubbing.errors = 1;
  scrubbing.Pass();
  EXPECT_EQ(scrubbing.scrubber.TakeFindings().size(), 1u);
}

TEST(Scrubber, CallsAFileThatIsGoneDamage) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  Scrubbing scrubbing;
  Add(scrubbing, on_disk);
  const std::vector<SealedSegment> segments = SealedSegments(*on_disk.log);
  on_disk.disk.ApplyAndSync(
      {.ops = {RemoveFile{segments[1].file()}, RemoveFile{segments[2].sidecar()}}, .sync = {}});
  scrubbing.Pass();
  const std::vector<Finding> found = scrubbing.scrubber.TakeFindings();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].kind, FindingKind::kMissingFile);
  EXPECT_EQ(found[0].first_index, segments[1].base_index);
  EXPECT_EQ(found[0].end_index, segments[1].end_index);
  EXPECT_EQ(found[1].kind, FindingKind::kStaleSidecar);
  EXPECT_EQ(scrubbing.scrubber.progress().damaged_segments, 2u);
}

}  // namespace
}  // namespace tidemark
