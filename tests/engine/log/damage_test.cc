#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/log/segment.h"
#include "tests/engine/log/log_model.h"

// A small log of several segments with sidecars and hard state, damaged in every single way: each
// byte changed (to all 255 other values where it is in a header, a sidecar or the hard state), each
// file cut to each length. Recovery refuses, or loses only what nobody vouched for, or serves what
// was appended; it never serves anything else.

namespace tidemark {
namespace {

struct Counts {
  uint64_t refused = 0;
  uint64_t cost_entries = 0;
  uint64_t harmless = 0;
  uint64_t terms_unnoticed = 0;

  uint64_t total() const { return refused + cost_entries + harmless; }
};

void Print(const char* what, const FileId& file, const Counts& counts) {
  std::printf("%s of %s: %lu refused, %lu cost entries nobody vouched for, %lu harmless\n", what,
              PathOf(file).c_str(), counts.refused, counts.cost_entries, counts.harmless);
}

// Segments 1 to 3 have two flushes each, all durable; then a suffix was cut, and segment 4, which
// replaces segment 3, was written by a flush that did not complete, like the second frame in it.
// The hard state vouches for the first four entries.
LogModel SmallLog() {
  LogModel model({.segment_bytes = 8192, .index_interval_bytes = 300, .cache_bytes = 1000});
  for (uint32_t i = 0; i < 6; ++i) {
    model.Append(i % 3, 1800 / std::max(i % 3, 1u), Term(1 + i / 4), i * 10);
    model.ChangeHardState(Term(1 + i / 4), NodeId(1 + i));
    model.FlushAll();
    if (i == 4) model.Commit(LogIndex(4));
  }
  model.Cut(LogIndex(6));
  model.Append(1, 200, Term(3), 100);
  model.Append(0, 20, Term(3), 110);
  model.BeginFlush();
  while (model.ApplyNext()) {
  }
  return model;
}

LogModel RestartedAsItIs(const LogModel& model) {
  const DiskImage image = model.disk().Image();
  LogModel::Recovered clean = model.Judge(image, model.AfterProcessDeath());
  EXPECT_TRUE(clean.status.ok()) << clean.status.message();
  EXPECT_EQ(clean.wrong, "");
  return model.Restarted(image, std::move(clean));
}

void JudgeOne(const LogModel& model, const DiskImage& damaged, const FileId& file,
              const std::string& damage, Counts& counts) {
  LogModel::Damage outcome = LogModel::Damage::kHarmless;
  const std::string wrong = model.JudgeDamage(damaged, outcome);
  if (!wrong.empty() && OnlyTermsDiffer(model.disk().Image(), damaged)) {
    ++counts.terms_unnoticed;
    return;
  }
  EXPECT_EQ(wrong, "") << PathOf(file) << " " << damage;
  ++(outcome == LogModel::Damage::kRefused       ? counts.refused
     : outcome == LogModel::Damage::kCostEntries ? counts.cost_entries
                                                 : counts.harmless);
}

// Whether byte `at` of the file is one of those that say what the rest is.
std::vector<bool> HeaderBytes(const FileId& file, const std::string& contents) {
  std::vector<bool> is(contents.size(), file.kind == FileKind::kIndex);
  if (file.kind == FileKind::kHardState) {
    for (size_t at = 0; at < contents.size(); ++at) is[at] = at % 2048 < 44;
  }
  if (file.kind == FileKind::kSegment) {
    for (size_t at = 0; at < 96; ++at) is[at] = true;
    for (size_t at = kSegmentHeaderBytes; at < contents.size();) {
      const auto header = DecodeBatchHeader(std::string_view(contents).substr(at));
      // Where the next frame would begin, too.
      for (size_t i = at; i < std::min(at + kBatchHeaderBytes, contents.size()); ++i) is[i] = true;
      if (!header.ok()) break;
      at += header->total_bytes();
    }
  }
  return is;
}

TEST(Damage, NoChangedByteBecomesWrongData) {
  const LogModel model = RestartedAsItIs(SmallLog());
  ASSERT_EQ(model.disk().Files().size(), 9u);
  ASSERT_GE(model.log().durable_index(), LogIndex(4));
  ASSERT_LT(model.log().durable_index(), model.last());
  DiskImage image = model.disk().Image();
  Counts all;
  for (auto& [file, contents] : image) {
    std::vector<int> every(255);
    std::iota(every.begin(), every.end(), 1);
    const std::vector<bool> header = HeaderBytes(file, contents);
    Counts counts;
    for (size_t at = 0; at < contents.size() && !HasFailure(); ++at) {
      // Zeros nobody wrote: one bit will do.
      const std::vector<int> few =
          contents[at] == '\0' ? std::vector<int>{0x10} : std::vector<int>{0x01, 0x80, 0xff};
      const char good = contents[at];
      for (const int mask : header[at] ? every : few) {
        contents[at] = static_cast<char>(good ^ mask);
        JudgeOne(model, image, file, absl::StrCat("byte ", at, " ^ ", mask), counts);
      }
      contents[at] = good;
    }
    Print("changed bytes", file, counts);
    // The frames say the same as a sidecar, and a hard state is there four times.
    if (file.kind != FileKind::kSegment) {
      EXPECT_EQ(counts.refused + counts.cost_entries, 0u);
    }
    all.refused += counts.refused;
    all.cost_entries += counts.cost_entries;
    all.harmless += counts.harmless;
    all.terms_unnoticed += counts.terms_unnoticed;
  }
  std::printf("%lu raised terms unnoticed\n", all.terms_unnoticed);
  EXPECT_LE(all.terms_unnoticed, 0u);
  EXPECT_GT(all.total(), 300'000u);
  EXPECT_GT(all.refused, 100'000u);
  EXPECT_GT(all.cost_entries, 1000u);
  EXPECT_GT(all.harmless, 50'000u);
}

TEST(Damage, NoShortenedFileBecomesWrongData) {
  const LogModel model = RestartedAsItIs(SmallLog());
  const DiskImage original = model.disk().Image();
  Counts all;
  for (const auto& [file, contents] : original) {
    DiskImage image = original;
    Counts counts;
    // An empty hard state is one that was never written, as far as its file can tell.
    const size_t shortest = file.kind == FileKind::kHardState ? 1 : 0;
    for (size_t length = contents.size(); length-- > shortest && !HasFailure();) {
      image[file].resize(length);
      JudgeOne(model, image, file, absl::StrCat("cut to ", length), counts);
    }
    Print("lengths", file, counts);
    if (file.kind == FileKind::kIndex) {
      EXPECT_EQ(counts.refused + counts.cost_entries, 0u);
    }
    all.refused += counts.refused;
    all.cost_entries += counts.cost_entries;
    all.harmless += counts.harmless;
  }
  EXPECT_GT(all.total(), 40'000u);
  EXPECT_GT(all.refused, 10'000u);
}

}  // namespace
}  // namespace tidemark
