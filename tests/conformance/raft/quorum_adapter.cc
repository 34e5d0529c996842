#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/raft/quorum.h"
#include "tests/conformance/raft/adapters.h"
#include "tests/conformance/raft/etcd_text.h"

namespace tidemark::conformance {
namespace {

using raft::JointConfig;
using raft::MajorityConfig;
using raft::Vote;
using raft::VoteResult;

constexpr uint64_t kUnknown = 0;
constexpr uint64_t kNo = 1;
constexpr uint64_t kYes = 2;

// What a directive says. Indexes and votes belong to the voters in the order in which the
// configurations name them, each voter once; kUnknown where the script has an underscore.
struct Question {
  std::vector<uint64_t> cfg;
  std::vector<uint64_t> cfgj;
  bool joint = false;
  std::vector<uint64_t> indexes;
  std::vector<uint64_t> votes;
};

absl::Status Take(const Argument& argument, const std::string& value, Question& question) {
  if (argument.key == "cfg") {
    TIDEMARK_ASSIGN_OR_RETURN(question.cfg.emplace_back(), ParseUint(value));
  } else if (argument.key == "cfgj") {
    question.joint = true;
    if (value == "zero") {
      if (argument.values.size() == 1) return absl::OkStatus();
      return absl::InvalidArgumentError("cannot mix 'zero' into configuration");
    }
    TIDEMARK_ASSIGN_OR_RETURN(question.cfgj.emplace_back(), ParseUint(value));
  } else if (argument.key == "idx") {
    uint64_t& index = question.indexes.emplace_back(kUnknown);
    if (value == "_") return absl::OkStatus();
    TIDEMARK_ASSIGN_OR_RETURN(index, ParseUint(value));
    if (index == kUnknown) return absl::InvalidArgumentError("cannot use 0 as idx");
  } else if (argument.key == "votes") {
    if (value != "y" && value != "n" && value != "_") {
      return absl::InvalidArgumentError(absl::StrCat("unknown vote: ", value));
    }
    question.votes.push_back(value == "y" ? kYes : value == "n" ? kNo : kUnknown);
  } else {
    return absl::InvalidArgumentError(absl::StrCat("unknown arg ", argument.key));
  }
  return absl::OkStatus();
}

absl::StatusOr<Question> Parse(const Directive& directive) {
  Question question;
  for (const Argument& argument : directive.arguments) {
    for (const std::string& value : argument.values) {
      TIDEMARK_RETURN_IF_ERROR(Take(argument, value, question));
    }
  }
  return question;
}

// The voters of a question and one value of each. Scripts may use any number as an id, even 0, so
// the engine is asked about ranks: 1 is the lowest id.
class Voters {
 public:
  Voters(const Question& question, const std::vector<uint64_t>& values) {
    std::set<uint64_t> ids(question.cfg.begin(), question.cfg.end());
    ids.insert(question.cfgj.begin(), question.cfgj.end());
    ids_.assign(ids.begin(), ids.end());
    values_.assign(ids_.size(), kUnknown);
    auto value = values.begin();
    for (const std::vector<uint64_t>* half : {&question.cfg, &question.cfgj}) {
      for (const uint64_t id : *half) {
        if (ids.erase(id) == 1 && value != values.end()) values_[Rank(id).value() - 1] = *value++;
      }
    }
  }

  size_t size() const { return ids_.size(); }
  const std::vector<uint64_t>& ids() const { return ids_; }
  uint64_t of(NodeId rank) const { return values_[rank.value() - 1]; }
  MajorityConfig Config(const std::vector<uint64_t>& ids) const {
    MajorityConfig config;
    for (const uint64_t id : ids) config.voters().Insert(Rank(id));
    return config;
  }
  std::vector<Acknowledged> AllAcknowledged() const {
    std::vector<Acknowledged> all;
    for (size_t i = 0; i < ids_.size(); ++i) {
      std::optional<uint64_t> index;
      if (values_[i] != kUnknown) index = values_[i];
      all.push_back({.id = ids_[i], .index = index});
    }
    return all;
  }
  // The same with another value for one of them.
  Voters With(NodeId rank, uint64_t value) const {
    Voters others = *this;
    others.values_[rank.value() - 1] = value;
    return others;
  }

 private:
  NodeId Rank(uint64_t id) const {
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
    return NodeId{static_cast<uint64_t>(at - ids_.begin()) + 1};
  }

  std::vector<uint64_t> ids_;
  std::vector<uint64_t> values_;
};

LogIndex Committed(const auto& config, const Voters& voters) {
  return config.CommittedIndex([&](NodeId rank) { return LogIndex{voters.of(rank)}; });
}

// By trying every index instead of counting.
LogIndex CommittedByTrying(const MajorityConfig& config, const Voters& voters) {
  if (config.voters().empty()) return raft::kReachedByNobody;
  uint64_t best = 0;
  for (const NodeId candidate : config.voters()) {
    const auto holders = static_cast<size_t>(
        std::count_if(config.voters().begin(), config.voters().end(),
                      [&](NodeId rank) { return voters.of(rank) >= voters.of(candidate); }));
    if (2 * holders > config.voters().size()) best = std::max(best, voters.of(candidate));
  }
  return LogIndex{best};
}

// Other ways to the same result: a line for each that comes out elsewhere.
std::string MajorityCrossChecks(const MajorityConfig& config, const Voters& voters,
                                LogIndex committed) {
  std::string text;
  const auto expect = [&](LogIndex index, const std::string& how) {
    if (index != committed) absl::StrAppend(&text, IndexText(index), " <-- ", how);
  };
  expect(CommittedByTrying(config, voters), "via alternative computation\n");
  expect(Committed(JointConfig{.incoming = config, .outgoing = {}}, voters),
         "via zero-joint quorum\n");
  expect(Committed(JointConfig{.incoming = config, .outgoing = config}, voters),
         "via self-joint quorum\n");
  // Who is below what is committed may be lower still.
  for (const NodeId rank : config.voters()) {
    const uint64_t index = voters.of(rank);
    if (index == kUnknown || LogIndex{index} >= committed) continue;
    const uint64_t id = voters.ids()[rank.value() - 1];
    expect(Committed(config, voters.With(rank, index - 1)),
           absl::StrCat("overlaying ", id, "->", index));
    expect(Committed(config, voters.With(rank, 0)), absl::StrCat("overlaying ", id, "->0"));
  }
  return text;
}

std::string CommittedText(const Question& question, const Voters& voters) {
  const MajorityConfig cfg = voters.Config(question.cfg);
  const MajorityConfig cfgj = voters.Config(question.cfgj);
  std::string text = QuorumText(voters.AllAcknowledged());
  LogIndex committed;
  if (question.joint) {
    committed = Committed(JointConfig{.incoming = cfg, .outgoing = cfgj}, voters);
    const LogIndex swapped = Committed(JointConfig{.incoming = cfgj, .outgoing = cfg}, voters);
    if (swapped != committed) absl::StrAppend(&text, IndexText(swapped), " <-- via symmetry\n");
  } else {
    committed = Committed(cfg, voters);
    text += MajorityCrossChecks(cfg, voters, committed);
  }
  return text + IndexText(committed) + "\n";
}

std::string ResultText(VoteResult result) {
  switch (result) {
    case VoteResult::kPending:
      return "VotePending";
    case VoteResult::kLost:
      return "VoteLost";
    case VoteResult::kWon:
      return "VoteWon";
  }
  return "";
}

std::string VoteText(const Question& question, const Voters& voters) {
  const auto result = [&](const auto& config) {
    return config.Result([&](NodeId rank) {
      const uint64_t vote = voters.of(rank);
      return vote == kUnknown ? Vote::kUnknown : vote == kYes ? Vote::kGranted : Vote::kRefused;
    });
  };
  const MajorityConfig cfg = voters.Config(question.cfg);
  if (!question.joint) return ResultText(result(cfg)) + "\n";
  const MajorityConfig cfgj = voters.Config(question.cfgj);
  const VoteResult joint = result(JointConfig{.incoming = cfg, .outgoing = cfgj});
  const VoteResult swapped = result(JointConfig{.incoming = cfgj, .outgoing = cfg});
  std::string text;
  if (swapped != joint) text = ResultText(swapped) + " <-- via symmetry\n";
  return text + ResultText(joint) + "\n";
}

class QuorumAdapter final : public Adapter {
 public:
  absl::StatusOr<std::string> Run(const Directive& directive) override {
    TIDEMARK_ASSIGN_OR_RETURN(const Question question, Parse(directive));
    const bool vote = directive.command == "vote";
    const std::vector<uint64_t>& values = vote ? question.votes : question.indexes;
    const Voters voters(question, values);
    if (voters.size() > kNodesMax) {
      return absl::InvalidArgumentError(absl::StrCat("more than ", kNodesMax, " voters"));
    }
    if (voters.size() != values.size()) {
      const auto index_text = [](std::string* out, uint64_t value) {
        out->append(IndexText(LogIndex{value}));
      };
      return absl::StrCat(
          "error: mismatched input (explicit or _) for voters map[",
          absl::StrJoin(voters.ids(), " ",
                        [](std::string* out, uint64_t id) { absl::StrAppend(out, id, ":{}"); }),
          "]: [", absl::StrJoin(values, " ", index_text), "]");
    }
    if (vote) return VoteText(question, voters);
    if (directive.command == "committed") return CommittedText(question, voters);
    return absl::InvalidArgumentError(absl::StrCat("unknown command: ", directive.command));
  }
};

}  // namespace

std::unique_ptr<Adapter> MakeQuorumAdapter() { return std::make_unique<QuorumAdapter>(); }

}  // namespace tidemark::conformance
