#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/state.h>

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/prng.h"
#include "engine/log/frame.h"
#include "tests/engine/log/log_model.h"

// Random lives of a log, each command followed by every question that the model can answer.
//
// Every command is legal in every state: its numbers are taken modulo what is possible, or it does
// nothing. So rapidcheck needs no model of its own to tell which commands may follow, and a failing
// sequence shrinks by leaving commands out. LogModel is the model, beside the log it is asked
// about.
//
//   TIDEMARK_LOG_SEED=n       another seed than the fixed one
//   TIDEMARK_LOG_SEQUENCES=n  more of them

namespace tidemark {
namespace {

enum Kind : uint8_t {
  kAppend,
  kBeginFlush,
  kApplyOps,
  kCompleteFlush,
  kCut,
  kCutPrefix,
  kCommit,
  kHardState,
  kRead,
  kReadOffset,
  kReadTime,
  kReadCache,
  kProcessDeath,
  kPowerLoss,
  kTornPowerLoss,
  kRot,
  kKinds,
};

struct KindFacts {
  const char* name;
  uint32_t weight;
};
// In the order of Kind. A new command is a line there, one here, and a case in Life::Act.
constexpr KindFacts kKindFacts[] = {
    {"append", 40}, {"begin flush", 12}, {"apply ops", 8},       {"complete flush", 12},
    {"cut", 6},     {"cut prefix", 2},   {"commit", 5},          {"hard state", 4},
    {"read", 4},    {"read offset", 4},  {"read time", 4},       {"read cache", 4},
    {"die", 3},     {"power loss", 2},   {"torn power loss", 3}, {"rot", 5},
};
static_assert(std::size(kKindFacts) == kKinds);

// What all sequences together have seen: a test that sees nothing proves nothing.
struct Coverage {
  uint64_t commands = 0;
  uint64_t recoveries = 0;
  uint64_t entries_lost = 0;
  uint64_t came_back = 0;  // recoveries after which cut entries were there again
  uint64_t rot_refused = 0;
  uint64_t rot_cost_entries = 0;
  uint64_t rot_harmless = 0;
  uint64_t rot_terms = 0;  // terms that were raised without a sidecar that knows better
};

class Life {
 public:
  Life(const LogOptions& options, Coverage& coverage) : model_(options), coverage_(coverage) {}

  // Empty, or what went wrong.
  std::string Do(Kind kind, uint32_t a, uint32_t b) {
    ++coverage_.commands;
    const std::string wrong = Act(kind, a, b);
    return wrong.empty() ? model_.Check() : wrong;
  }

  // Whatever happened, in the end everything is on the disk.
  std::string End() {
    model_.FlushAll();
    if (model_.log().durable_index() != model_.last()) return "not all became durable";
    std::string wrong = model_.Check();
    if (!wrong.empty()) return wrong;
    for (LogIndex index = model_.log().first_index(); index <= model_.last(); ++index) {
      wrong = model_.CheckRead(index, 1);
      if (!wrong.empty()) return wrong;
    }
    return Restart(model_.disk().Image(), model_.AfterPowerLoss(), true);
  }

 private:
  std::string Act(Kind kind, uint32_t a, uint32_t b) {
    const Log& log = model_.log();
    switch (kind) {
      case kAppend: {
        // Mostly small ones; some fill a segment or need one of their own.
        const uint32_t sizes[] = {0, 5, 40, 200, 200, 600, 1500, 6000};
        clock_ += static_cast<int64_t>(b % 32) - 4;
        if (b % 64 == 63) clock_ += 1000;
        term_ = std::max(term_, model_.term() + (b / 64 % 8 == 0 ? 1 : 0));
        if (term_ == Term(0)) term_ = Term(1);
        model_.Append(a % 4, sizes[a / 4 % std::size(sizes)], term_, clock_);
        return "";
      }
      case kBeginFlush:
        if (model_.can_flush()) model_.BeginFlush();
        return "";
      case kApplyOps:
        for (uint32_t i = 0; model_.flushing() && i <= a % 4; ++i) model_.ApplyNext();
        return "";
      case kCompleteFlush:
        if (model_.flushing()) model_.CompleteFlush();
        return "";
      case kCut: {
        const uint64_t above = model_.last() - model_.committed();
        if (above == 0) return "";
        // Often a little, so that long logs exist.
        const uint64_t count = 1 + (b % 2 == 0 ? a % std::min<uint64_t>(above, 3) : a % above);
        model_.Cut(model_.last() + 1 - count);
        term_ = term_ + 1;
        return "";
      }
      case kCutPrefix:
        if (model_.committed() >= log.first_index()) {
          model_.CutPrefix(log.first_index() + a % (model_.committed() + 1 - log.first_index()));
        }
        return "";
      case kCommit:
        if (log.durable_index() > model_.committed()) {
          model_.Commit(model_.committed() + 1 + a % (log.durable_index() - model_.committed()));
        }
        return "";
      case kHardState:
        model_.ChangeHardState(term_, NodeId(a % 3));
        return "";
      case kRead:
        if (log.durable_index() < log.first_index()) return "";
        return model_.CheckRead(
            log.first_index() + a % (log.durable_index() + 1 - log.first_index()), b % 8000);
      case kReadOffset:
        return model_.CheckReadOffset(
            Offset(a % (log.next_offset().value() + 2)),
            log.first_index() - 1 + b % (log.last_index() + 2 - log.first_index()), b / 64 % 8000);
      case kReadTime:
        return model_.CheckTime(kBeginning + a % (clock_ + 100 - kBeginning));
      case kReadCache:
        return model_.CheckCache(LogIndex(1 + a % (model_.last().value() + 1)), b % 4000,
                                 b / 4096 % 8);
      case kProcessDeath:
        return Restart(model_.disk().Image(), model_.AfterProcessDeath(), false);
      case kPowerLoss:
      case kTornPowerLoss: {
        Prng prng(a);
        model_.disk().Crash(
            kind == kPowerLoss ? MemoryDisk::Tear::kWholeFiles : MemoryDisk::Tear::kSectors,
            [&](size_t n) { return prng.Below(n); });
        return Restart(model_.disk().Image(), model_.AfterPowerLoss(), true);
      }
      case kRot:
        return Rot(a, b);
      case kKinds:
        break;
    }
    return "no such command";
  }

  std::string Restart(const DiskImage& image, const LogModel::Promise& promise, bool power_lost) {
    ++coverage_.recoveries;
    LogModel::Recovered recovered = model_.Judge(image, promise);
    if (!recovered.status.ok()) {
      return absl::StrCat("refused after an honest crash: ", recovered.status.message());
    }
    if (!recovered.wrong.empty()) return recovered.wrong;
    const size_t before = model_.version().size();
    if (recovered.version.size() < before)
      coverage_.entries_lost += before - recovered.version.size();
    if (recovered.version.size() > before) ++coverage_.came_back;
    model_.Adopt(std::move(recovered), power_lost);
    term_ = std::max(term_, model_.term()) + 1;
    return "";
  }

  // Damages one place of what a crash now might leave.
  std::string Rot(uint32_t a, uint32_t b) {
    Prng prng(a);
    DiskImage image = model_.disk().Image();
    LogModel::Promise promise = model_.AfterProcessDeath();
    if (prng.Chance(1, 2)) {
      const CrashSpace space(model_.disk());
      std::vector<uint32_t> choice;
      for (const uint32_t count : space.alternatives()) {
        choice.push_back(static_cast<uint32_t>(prng.Below(count)));
      }
      image = space.ImageOf(choice);
      promise = model_.AfterPowerLoss();
    }
    if (image.empty()) return "";
    LogModel::Recovered clean = model_.Judge(image, promise);
    if (!clean.status.ok()) return std::string(clean.status.message());
    if (!clean.wrong.empty()) return clean.wrong;
    const LogModel before = model_.Restarted(image, std::move(clean));
    const DiskImage undamaged = image;
    const std::string damage = Damage(image, b);
    LogModel::Damage outcome = LogModel::Damage::kHarmless;
    const std::string wrong = before.JudgeDamage(image, outcome);
    if (!wrong.empty() && OnlyTermsDiffer(undamaged, image)) {
      ++coverage_.rot_terms;
      return "";
    }
    // A header of zeros is also what a crash leaves of a segment that never became whole.
    if (!wrong.empty() && LosesAHeader(undamaged, image)) return "";
    if (!wrong.empty()) return absl::StrCat(damage, ": ", wrong);
    ++(outcome == LogModel::Damage::kRefused       ? coverage_.rot_refused
       : outcome == LogModel::Damage::kCostEntries ? coverage_.rot_cost_entries
                                                   : coverage_.rot_harmless);
    return "";
  }

  static std::string Damage(DiskImage& image, uint32_t b) {
    Prng prng(b);
    auto chosen = image.begin();
    std::advance(chosen, prng.Below(image.size()));
    std::string& contents = chosen->second;
    if (contents.empty()) return "";
    // Seldom in the zeros behind the data.
    const size_t used = contents.find_last_not_of('\0') + 1;
    const size_t at = prng.Below(used == 0 || prng.Chance(1, 8) ? contents.size() : used);
    const size_t sector = at / kSectorBytes * kSectorBytes;
    const size_t bytes = std::min<size_t>(kSectorBytes, contents.size() - sector);
    const char* done = "";
    const uint64_t way = prng.Below(8);
    if (way < 4) {
      done = "flipped";
      contents[at] = static_cast<char>(contents[at] ^ (1 + prng.Below(255)));
    } else if (way < 6) {
      done = "zeroed around";
      contents.replace(sector, bytes, bytes, '\0');
    } else if (way < 7) {
      done = "scrambled around";
      for (size_t i = 0; i < bytes; ++i) contents[sector + i] = static_cast<char>(prng.Next());
    } else {
      done = "cut to";
      // An empty hard state is one that was never written, as far as its file can tell.
      contents.resize(std::max<size_t>(at, 1));
    }
    return absl::StrCat(PathOf(chosen->first), " ", done, " byte ", at);
  }

  static constexpr int64_t kBeginning = 1'000'000;
  LogModel model_;
  Coverage& coverage_;
  Term term_;
  int64_t clock_ = kBeginning;
};

// A check of the engine that fails ends the process; here it ends the sequence, so that it can be
// shrunk. What the sequence had allocated is lost, in a test that has failed.
sigjmp_buf failed_check;
void OnAbort(int) { siglongjmp(failed_check, 1); }

template <typename Action>
std::string Survive(const Action& action) {
  if (sigsetjmp(failed_check, 1) != 0) return "a check failed";
  return action();
}

// Command without a state of its own: any of them may come at any time.
struct AnyState {};

struct Command : rc::state::Command<AnyState, Life> {
  Command() {
    kind = *rc::gen::resize(rc::kNominalSize, WeightedKind());
    a = *rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint32_t>());
    b = *rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint32_t>());
  }

  static rc::Gen<Kind> WeightedKind() {
    std::vector<Kind> kinds;
    for (uint8_t kind = 0; kind < kKinds; ++kind) {
      kinds.insert(kinds.end(), kKindFacts[kind].weight, static_cast<Kind>(kind));
    }
    return rc::gen::elementOf(std::move(kinds));
  }

  void run(const AnyState&, Life& life) const override {
    const std::string wrong = Survive([&] { return life.Do(kind, a, b); });
    if (!wrong.empty()) RC_FAIL(wrong);
  }
  void show(std::ostream& out) const override {
    out << kKindFacts[kind].name << " " << a << " " << b;
  }

  Kind kind = kAppend;
  uint32_t a = 0;
  uint32_t b = 0;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(LogProperties, HoldInEverySequenceOfCommandsCrashesAndDamage) {
  const uint64_t count = FromEnvironment("TIDEMARK_LOG_SEQUENCES", 50'000);
  rc::detail::TestParams params;
  params.seed = FromEnvironment("TIDEMARK_LOG_SEED", 1);
  params.maxSuccess = static_cast<int>(count);
  const auto restore = std::signal(SIGABRT, OnAbort);
  Coverage coverage;
  const auto result = rc::detail::checkTestable(
      [&] {
        const LogOptions options{.segment_bytes = *rc::gen::element<uint64_t>(8192, 12288),
                                 .index_interval_bytes = *rc::gen::element<uint64_t>(300, 1, 4096),
                                 .cache_bytes = *rc::gen::element<uint64_t>(1000, 0, 1 << 20)};
        Life life(options, coverage);
        rc::state::check(AnyState{}, life, rc::state::gen::execOneOfWithArgs<Command>());
        const std::string wrong = Survive([&] { return life.End(); });
        if (!wrong.empty()) RC_FAIL("in the end: " + wrong);
      },
      rc::detail::TestMetadata(), params);
  std::signal(SIGABRT, restore);
  if (!result.is<rc::detail::SuccessResult>()) {
    std::ostringstream text;
    rc::detail::printResultMessage(result, text);
    FAIL() << "TIDEMARK_LOG_SEED=" << params.seed << "\n" << text.str();
  }
  std::printf(
      "%lu sequences, %lu commands, %lu recoveries (%lu entries lost, cut entries back %lu times), "
      "rot: %lu refused, %lu cost entries nobody vouched for, %lu harmless, %lu raised terms "
      "unnoticed\n",
      count, coverage.commands, coverage.recoveries, coverage.entries_lost, coverage.came_back,
      coverage.rot_refused, coverage.rot_cost_entries, coverage.rot_harmless, coverage.rot_terms);
  EXPECT_GT(coverage.commands, count * 20);
  if (count < 1000) return;
  EXPECT_GT(coverage.recoveries, count * 2);
  EXPECT_GT(coverage.entries_lost, count);
  EXPECT_GT(coverage.came_back, count / 50);
  EXPECT_GT(coverage.rot_refused, count / 10);
  EXPECT_GT(coverage.rot_cost_entries, count / 25);
  EXPECT_GT(coverage.rot_harmless, count / 4);
}

}  // namespace
}  // namespace tidemark
