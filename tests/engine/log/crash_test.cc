#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/crc32c.h"
#include "engine/base/prng.h"
#include "engine/log/frame.h"
#include "tests/engine/log/log_model.h"

// Short lives of a log, with a power failure after every single file operation and every single
// sync, and every outcome of each failure: any subset of the sectors, sizes and names that were not
// synced. Where a failure has more than kOutcomesMax outcomes, these: all but one decision as
// readers saw it, all but one as it was synced, the same for pairs of neighbours, and a random
// sample, the same in every run. Equal disks are judged once.
//
// After each failure recovery must find all that was durable, and nothing that never was. Then it
// must be possible to append, flush and recover again; and for a sample of the failures, to fail
// once more in the middle of that.

namespace tidemark {
namespace {

constexpr uint64_t kOutcomesMax = 1 << 15;
constexpr uint64_t kTornOutcomesMax = 1 << 13;
// Of a second failure; one of kSecondFailures disks gets one.
constexpr uint64_t kSecondOutcomesMax = 24;
constexpr uint64_t kSecondFailures = 16;
// One of so many disks is judged with each of its sectors lost, too.
constexpr uint64_t kLostSectors = 16;

struct Counts {
  uint64_t points = 0;        // moments at which the power failed
  uint64_t outcomes = 0;      // of those failures
  uint64_t disks = 0;         // different ones, judged
  uint64_t again = 0;         // disks of second failures
  uint64_t sampled = 0;       // moments with too many outcomes to try all
  uint64_t refused = 0;       // torn sectors only
  uint64_t lost_sectors = 0;  // judged
};

class Crashes {
 public:
  explicit Crashes(CrashSpace::Sectors sectors) : sectors_(sectors) {}

  // Flushes what `model` has staged, once, with a power failure at every step.
  void Flush(LogModel& model) {
    if (model.can_flush()) Begin(model);
    Finish(model);
  }
  void FlushAll(LogModel& model) {
    while (model.can_flush()) Flush(model);
  }
  // The two halves of it: executed, and synced.
  void Begin(LogModel& model) {
    model.BeginFlush();
    while (model.ApplyNext()) Fail(model);
  }
  void Finish(LogModel& model) {
    for (const FileId& file : model.batch().sync) {
      model.disk().SyncFile(file);
      Fail(model);
    }
    if (MemoryDisk::ChangesNames(model.batch())) model.disk().SyncNames();
    model.ReportDurable();
    Fail(model);
  }
  // The process dies here; the page cache lives on.
  void Die(LogModel& model) {
    LogModel::Recovered recovered = model.Judge(model.disk().Image(), model.AfterProcessDeath());
    ASSERT_TRUE(recovered.status.ok()) << recovered.status.message();
    ASSERT_EQ(recovered.wrong, "");
    model.Adopt(std::move(recovered), false);
  }

  // The power fails now, in every way.
  void Fail(const LogModel& model) {
    if (!failure_.empty()) return;
    ++counts_.points;
    const CrashSpace space(model.disk(), sectors_);
    const auto judge = [&](const std::vector<uint32_t>& choice) {
      ++counts_.outcomes;
      const uint64_t hash = space.HashOf(choice) ^ Expectation(model);
      if (!failure_.empty() || !seen_.insert(hash).second) return;
      ++counts_.disks;
      Judge(model, space.ImageOf(choice), hash);
      if (failure_.empty()) return;
      absl::StrAppend(&failure_, "\nat moment ", counts_.points, ", choices");
      for (size_t i = 0; i < choice.size(); ++i) {
        absl::StrAppend(&failure_, " ", choice[i], "/", space.alternatives()[i]);
      }
    };
    const uint64_t max = sectors_ == CrashSpace::Sectors::kTorn ? kTornOutcomesMax : kOutcomesMax;
    if (ForEachOutcome(space, max, judge)) ++counts_.sampled;
  }

  const Counts& counts() const { return counts_; }
  const std::string& failure() const { return failure_; }

 private:
  // What must be found: a disk is judged again when that has changed.
  static uint64_t Expectation(const LogModel& model) {
    uint64_t hash = Mix64(model.durable() * 1024 + model.hard_state().generation);
    for (size_t i = 0; i < model.durable(); ++i) {
      const LogModel::Item& item = *model.version()[i];
      hash = Mix64(hash ^ item.term.value() << 32 ^ Crc32c(item.frame));
    }
    return hash;
  }

  // Returns whether some were left out.
  static bool ForEachOutcome(const CrashSpace& space, uint64_t max,
                             const std::function<void(const std::vector<uint32_t>&)>& visit) {
    const std::vector<uint32_t>& bounds = space.alternatives();
    std::vector<uint32_t> choice(bounds.size(), 0);
    if (space.outcomes() <= max) {
      for (;;) {
        visit(choice);
        size_t digit = 0;
        while (digit < bounds.size() && ++choice[digit] == bounds[digit]) choice[digit++] = 0;
        if (digit == bounds.size()) return false;
      }
    }
    for (const std::vector<uint32_t>& base : {choice, space.newest()}) {
      for (size_t i = 0; i < bounds.size(); ++i) {
        const size_t j = (i + 1) % bounds.size();
        for (uint32_t a = 0; a < bounds[i]; ++a) {
          for (uint32_t b = 0; b < bounds[j]; ++b) {
            choice = base;
            choice[i] = a;
            choice[j] = b;
            visit(choice);
          }
        }
      }
    }
    Prng prng(bounds.size());
    for (uint64_t i = 0; i < max; ++i) {
      // Mostly lost, evenly, mostly kept.
      const uint64_t kept = 1 + 3 * prng.Below(3);
      for (size_t d = 0; d < bounds.size(); ++d) {
        choice[d] =
            prng.Chance(kept, 8) ? space.newest()[d] : static_cast<uint32_t>(prng.Below(bounds[d]));
      }
      visit(choice);
    }
    return true;
  }

  void Judge(const LogModel& model, const DiskImage& image, uint64_t hash) {
    LogModel::Recovered recovered = model.Judge(image, model.AfterPowerLoss());
    if (!recovered.status.ok()) {
      ++counts_.refused;
      if (sectors_ == CrashSpace::Sectors::kWhole || !absl::IsDataLoss(recovered.status)) {
        failure_ = absl::StrCat("refused: ", recovered.status.message());
      }
      // A torn write of the hard state leaves the other slot, whatever the sectors are.
      if (model.hard_state().generation > 0 &&
          !DecodeHardState(image.at({kModelGroup, FileKind::kHardState, 0})).ok()) {
        failure_ = absl::StrCat("a promise is gone: ", recovered.status.message());
      }
      return;
    }
    failure_ = recovered.wrong;
    if (!failure_.empty()) return;
    LogModel next = model.Restarted(image, std::move(recovered));
    if (sectors_ == CrashSpace::Sectors::kWhole && hash / 64 % kLostSectors == 0) {
      LoseSectors(next, image);
      if (!failure_.empty()) return;
    }
    const bool fail_again = hash % kSecondFailures == 0;
    next.Append(1, 700, next.term() + 1, 2'000'000);
    while (next.can_flush() && failure_.empty()) {
      next.BeginFlush();
      while (next.ApplyNext()) {
        if (fail_again) FailAgain(next);
      }
      next.CompleteFlush();
    }
    const LogModel::Recovered after = next.Judge(next.disk().Image(), next.AfterPowerLoss());
    if (!after.status.ok()) failure_ = absl::StrCat("then: ", after.status.message());
    if (!after.wrong.empty()) failure_ = absl::StrCat("then: ", after.wrong);
  }

  // One sector after the other reads as zeros, as if the disk had lied about its sync.
  void LoseSectors(const LogModel& model, DiskImage image) {
    for (auto& [file, contents] : image) {
      for (size_t at = 0; at < contents.size(); at += kSectorBytes) {
        const std::string good = contents.substr(at, kSectorBytes);
        const bool header = file.kind == FileKind::kSegment && at == 0;
        // A header of zeros is also what a crash leaves of a segment that never became whole.
        if (AllZeros(good) || header) continue;
        contents.replace(at, good.size(), good.size(), '\0');
        ++counts_.lost_sectors;
        LogModel::Damage outcome = LogModel::Damage::kHarmless;
        const std::string wrong = model.JudgeDamage(image, outcome);
        if (!wrong.empty()) {
          failure_ = absl::StrCat(PathOf(file), ": sector at ", at, " lost: ", wrong);
          return;
        }
        contents.replace(at, good.size(), good);
      }
    }
  }

  void FailAgain(const LogModel& model) {
    const CrashSpace space(model.disk(), sectors_);
    ForEachOutcome(space, kSecondOutcomesMax, [&](const std::vector<uint32_t>& choice) {
      if (!failure_.empty() || !seen_.insert(space.HashOf(choice) ^ Expectation(model)).second) {
        return;
      }
      ++counts_.again;
      const LogModel::Recovered recovered =
          model.Judge(space.ImageOf(choice), model.AfterPowerLoss());
      if (!recovered.status.ok() && sectors_ == CrashSpace::Sectors::kWhole) {
        failure_ = absl::StrCat("after a second failure: ", recovered.status.message());
      }
      if (!recovered.wrong.empty()) {
        failure_ = absl::StrCat("after a second failure: ", recovered.wrong);
      }
    });
  }

  const CrashSpace::Sectors sectors_;
  Counts counts_;
  std::string failure_;
  std::unordered_set<uint64_t> seen_;
};

constexpr LogOptions kOptions{
    .segment_bytes = 8192, .index_interval_bytes = 300, .cache_bytes = 1000};

using Script = void (*)(LogModel&, Crashes&);

void ThreeFlushesAcrossARoll(LogModel& model, Crashes& crashes) {
  for (int64_t round = 0; round < 3; ++round) {
    model.Append(2, 300, Term(1), round);
    model.Append(0, 900, Term(1 + round / 2), round);
    crashes.Flush(model);
  }
  model.Append(1, 100, Term(2), 3);
  crashes.FlushAll(model);
}

void AppendsWhileAFlushIsUnderWay(LogModel& model, Crashes& crashes) {
  model.Append(1, 600, Term(1), 0);
  for (int64_t round = 0; round < 4; ++round) {
    crashes.Begin(model);
    // The next flush begins as soon as this one is reported.
    model.Append(1, round % 2 == 0 ? 1700 : 200, Term(1), round);
    crashes.Finish(model);
  }
  crashes.FlushAll(model);
}

// SCENARIOS R18: crash in the middle of a suffix truncation over several segments.
void ACutOverSegmentsAndAnAppend(LogModel& model, Crashes& crashes) {
  for (int64_t i = 0; i < 6; ++i) model.Append(1, 1900, Term(1), i);
  model.FlushAll();
  model.Cut(LogIndex(2));
  crashes.Fail(model);
  model.Append(1, 900, Term(2), 7);
  model.Append(1, 300, Term(2), 8);
  crashes.Flush(model);
  model.Append(1, 300, Term(2), 9);
  crashes.FlushAll(model);
}

void CutsOfWhatIsBeingFlushed(LogModel& model, Crashes& crashes) {
  model.Append(1, 400, Term(1), 0);
  model.FlushAll();
  for (int64_t i = 0; i < 3; ++i) model.Append(1, 1300, Term(1), i);
  crashes.Begin(model);
  model.Cut(LogIndex(3));
  model.Append(1, 400, Term(2), 4);
  model.Cut(LogIndex(2));
  model.Append(1, 500, Term(3), 5);
  crashes.Finish(model);
  crashes.FlushAll(model);
}

// Segments of both begin in it: one of the new ones has the base index that the end of the old ones
// asks for.
void TwoHistoriesInOneFlush(LogModel& model, Crashes& crashes) {
  for (int64_t i = 0; i < 4; ++i) model.Append(1, 1900, Term(1), i);
  model.Cut(LogIndex(3));
  for (int64_t i = 0; i < 3; ++i) model.Append(1, 1900, Term(2), i);
  model.BeginFlush();
  while (model.ApplyNext()) {
  }
  crashes.Fail(model);
  model.CompleteFlush();
  crashes.FlushAll(model);
}

void ARestartAmidACut(LogModel& model, Crashes& crashes) {
  for (int64_t i = 0; i < 5; ++i) {
    model.Append(1, 1900, Term(1), i);
    model.FlushAll();
  }
  model.Cut(LogIndex(2));
  model.Append(1, 700, Term(2), 6);
  crashes.Begin(model);
  crashes.Die(model);
  crashes.Fail(model);
  model.Append(1, 300, Term(3), 7);
  crashes.FlushAll(model);
}

void ARestartAmidAFlush(LogModel& model, Crashes& crashes) {
  model.Append(1, 1000, Term(1), 0);
  model.FlushAll();
  for (int64_t i = 0; i < 3; ++i) model.Append(1, 1300, Term(1), i);
  model.BeginFlush();
  for (int op = 0; op < 3; ++op) model.ApplyNext();
  crashes.Die(model);
  crashes.Fail(model);
  model.Append(1, 600, Term(2), 4);
  crashes.Flush(model);
  crashes.Die(model);
  model.Append(1, 300, Term(3), 5);
  crashes.FlushAll(model);
}

void HardStateWithEntries(LogModel& model, Crashes& crashes) {
  for (uint64_t round = 1; round <= 4; ++round) {
    model.ChangeHardState(Term(round), NodeId(round));
    model.Append(1, 300 * round, Term(round), 0);
    crashes.Flush(model);
    model.Commit(model.log().durable_index());
  }
  model.ChangeHardState(Term(9), NodeId(1));
  crashes.FlushAll(model);
}

void HardStateWithACut(LogModel& model, Crashes& crashes) {
  for (int64_t i = 0; i < 4; ++i) model.Append(1, 1500, Term(1), i);
  model.ChangeHardState(Term(1), NodeId(1));
  model.FlushAll();
  model.Commit(LogIndex(2));
  model.ChangeHardState(Term(2), NodeId(2));
  model.Cut(LogIndex(3));
  model.Append(1, 300, Term(2), 5);
  crashes.Flush(model);
  model.Commit(LogIndex(3));
  model.ChangeHardState(Term(3), NodeId(3));
  crashes.FlushAll(model);
}

void ATornTailAndWhatFollowsIt(LogModel& model, Crashes& crashes) {
  model.Append(1, 700, Term(1), 0);
  model.FlushAll();
  for (int64_t i = 0; i < 3; ++i) model.Append(1, 700, Term(1), i);
  model.BeginFlush();
  while (model.ApplyNext()) {
  }
  // The middle of the flush is lost, its end is not.
  const CrashSpace space(model.disk());
  std::vector<uint32_t> choice = space.newest();
  choice[choice.size() / 2] = 0;
  const DiskImage image = space.ImageOf(choice);
  LogModel::Recovered recovered = model.Judge(image, model.AfterPowerLoss());
  ASSERT_EQ(recovered.wrong, "");
  ASSERT_LT(recovered.version.size(), 4u);
  model = model.Restarted(image, std::move(recovered));
  for (int64_t i = 0; i < 2; ++i) {
    model.Append(1, 700, Term(2), i);
    crashes.Flush(model);
  }
}

void APrefixGoesAndASuffixIsCut(LogModel& model, Crashes& crashes) {
  for (int64_t i = 0; i < 6; ++i) model.Append(1, 1900, Term(1), i);
  model.FlushAll();
  model.Commit(LogIndex(5));
  model.ChangeHardState(Term(1), NodeId(1));
  model.CutPrefix(LogIndex(4));
  crashes.FlushAll(model);
  model.Cut(LogIndex(6));
  model.Append(1, 900, Term(2), 7);
  model.CutPrefix(LogIndex(5));
  crashes.FlushAll(model);
}

struct NamedScript {
  const char* name;
  Script script;
};
constexpr NamedScript kScripts[] = {
    {"three flushes across a roll", ThreeFlushesAcrossARoll},
    {"appends while a flush is under way", AppendsWhileAFlushIsUnderWay},
    {"a cut over segments and an append", ACutOverSegmentsAndAnAppend},
    {"cuts of what is being flushed", CutsOfWhatIsBeingFlushed},
    {"two histories in one flush", TwoHistoriesInOneFlush},
    {"a restart amid a cut", ARestartAmidACut},
    {"a restart amid a flush", ARestartAmidAFlush},
    {"hard state with entries", HardStateWithEntries},
    {"hard state with a cut", HardStateWithACut},
    {"a prefix goes and a suffix is cut", APrefixGoesAndASuffixIsCut},
    {"a torn tail and what follows it", ATornTailAndWhatFollowsIt},
};

Counts RunAll(CrashSpace::Sectors sectors) {
  Counts total;
  for (const NamedScript& each : kScripts) {
    Crashes crashes(sectors);
    LogModel model(kOptions);
    each.script(model, crashes);
    EXPECT_EQ(crashes.failure(), "") << each.name;
    EXPECT_EQ(model.Check(), "") << each.name;
    const Counts& counts = crashes.counts();
    std::printf(
        "%-36s %4lu failures (%lu sampled), %8lu outcomes, %7lu disks, %6lu again, %lu refused, "
        "%lu with a lost sector\n",
        each.name, counts.points, counts.sampled, counts.outcomes, counts.disks, counts.again,
        counts.refused, counts.lost_sectors);
    total.points += counts.points;
    total.disks += counts.disks;
    total.again += counts.again;
    total.refused += counts.refused;
    total.lost_sectors += counts.lost_sectors;
    if (testing::Test::HasFailure()) break;
  }
  return total;
}

TEST(Crashes, AtEveryStepLoseNothingDurableAndInventNothing) {
  const Counts total = RunAll(CrashSpace::Sectors::kWhole);
  EXPECT_GT(total.points, 180u);
  EXPECT_GT(total.disks + total.again, 150'000u);
  EXPECT_GT(total.lost_sectors, 20'000u);
}

TEST(Crashes, ThatTearSectorsAreRefusedOrLoseNothing) {
  const Counts total = RunAll(CrashSpace::Sectors::kTorn);
  EXPECT_GT(total.disks + total.again, 150'000u);
  EXPECT_GT(total.refused, 500u);
}

}  // namespace
}  // namespace tidemark
