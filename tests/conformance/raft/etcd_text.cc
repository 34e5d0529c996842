#include "tests/conformance/raft/etcd_text.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "engine/base/status_macros.h"
#include "engine/raft/quorum.h"

namespace tidemark::conformance {
namespace {

absl::Status NotParsed(const char* function, std::string_view text, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat("strconv.", function, ": parsing ", Quoted(text), ": ", why));
}

std::string NodesText(const raft::NodeSet& nodes) {
  std::string text = "(";
  for (const NodeId node : nodes) absl::StrAppend(&text, text.size() > 1 ? " " : "", node.value());
  return text + ")";
}

absl::StatusOr<raft::Change> ParseChange(std::string_view token) {
  raft::Change change;
  if (token.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat("unknown token ", std::string(token)));
  }
  switch (token.front()) {
    case 'v':
      change.kind = raft::Change::Kind::kAddVoter;
      break;
    case 'l':
      change.kind = raft::Change::Kind::kAddLearner;
      break;
    case 'r':
      change.kind = raft::Change::Kind::kRemove;
      break;
    case 'u':
      change.kind = raft::Change::Kind::kUpdate;
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat("unknown input: ", std::string(token)));
  }
  TIDEMARK_ASSIGN_OR_RETURN(const uint64_t id, ParseUint(token.substr(1)));
  change.node = NodeId{id};
  return change;
}

}  // namespace

std::string Quoted(std::string_view text) {
  static constexpr std::string_view kEscaped = "\a\b\f\n\r\t\v\\\"";
  static constexpr std::string_view kLetters = "abfnrtv\\\"";
  std::string quoted = "\"";
  for (const char c : text) {
    const size_t at = kEscaped.find(c);
    if (at != std::string_view::npos) {
      quoted.append({'\\', kLetters[at]});
    } else if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&quoted, "\\x%02x", byte);
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

absl::StatusOr<uint64_t> ParseUint(std::string_view text) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  if (text.empty()) return NotParsed("ParseUint", text, "invalid syntax");
  uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return NotParsed("ParseUint", text, "invalid syntax");
    const auto digit = static_cast<uint64_t>(c - '0');
    if (number > (kMax - digit) / 10) return NotParsed("ParseUint", text, "value out of range");
    number = number * 10 + digit;
  }
  return number;
}

absl::StatusOr<bool> ParseBool(std::string_view text) {
  for (const char* word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return true;
  }
  for (const char* word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return false;
  }
  return NotParsed("ParseBool", text, "invalid syntax");
}

absl::StatusOr<std::vector<raft::Change>> ParseChanges(const std::string_view input) {
  std::vector<raft::Change> changes;
  if (input.empty()) return changes;
  const std::vector<std::string> tokens = absl::StrSplit(std::string(input), ' ');
  for (const std::string& token : tokens) {
    TIDEMARK_ASSIGN_OR_RETURN(const raft::Change change, ParseChange(token));
    changes.push_back(change);
  }
  return changes;
}

std::string IndexText(LogIndex index) {
  return index == raft::kReachedByNobody ? "∞" : absl::StrCat(index.value());
}

std::string QuorumText(const std::vector<Acknowledged>& voters) {
  if (voters.empty()) return "<empty majority quorum>";
  const size_t count = voters.size();
  std::string text = std::string(count, ' ') + "    idx\n";
  for (const Acknowledged& voter : voters) {
    const auto lower =
        static_cast<size_t>(std::count_if(voters.begin(), voters.end(), [&](const Acknowledged& v) {
          return v.index < voter.index;
        }));
    text += voter.index ? std::string(lower, 'x') + ">" + std::string(count - lower, ' ')
                        : "?" + std::string(count, ' ');
    absl::StrAppendFormat(&text, " %5d    (id=%d)\n", voter.index.value_or(0), voter.id);
  }
  return text;
}

std::string ChangesText(const std::vector<raft::Change>& changes) {
  std::string text;
  for (const raft::Change& change : changes) {
    static constexpr char kLetters[] = {'v', 'l', 'r', 'u'};
    if (!text.empty()) text += ' ';
    text += kLetters[static_cast<size_t>(change.kind)];
    absl::StrAppend(&text, change.node.value());
  }
  return text;
}

std::string MembershipText(const raft::Membership& membership) {
  std::string text = "voters=" + NodesText(membership.voters.incoming.voters());
  if (membership.joint()) text += "&&" + NodesText(membership.voters.outgoing.voters());
  if (!membership.learners.empty()) text += " learners=" + NodesText(membership.learners);
  if (!membership.learners_next.empty()) {
    text += " learners_next=" + NodesText(membership.learners_next);
  }
  if (membership.auto_leave) text += " autoleave";
  return text;
}

std::string MembersText(const std::vector<raft::MemberProgress>& members) {
  std::string text;
  for (const raft::MemberProgress& member : members) {
    absl::StrAppend(&text, member.id.value(), ": StateProbe match=", member.match.value(),
                    " next=", member.next.value(), member.is_learner ? " learner" : "",
                    member.recent_active ? "" : " inactive", "\n");
  }
  return text;
}

}  // namespace tidemark::conformance
