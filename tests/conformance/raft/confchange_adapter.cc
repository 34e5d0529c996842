#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/base/status_macros.h"
#include "engine/raft/confchange.h"
#include "tests/conformance/raft/adapters.h"
#include "tests/conformance/raft/etcd_text.h"

namespace tidemark::conformance {
namespace {

using raft::Change;

// Why etcd refuses what we refuse.
std::string RefusalText(const absl::Status& refusal) {
  static constexpr std::pair<const char*, const char*> kTexts[] = {
      {raft::kAlreadyJoint, "config is already joint"},
      {raft::kNotJoint, "can't leave a non-joint config"},
      {raft::kNoVotersToJoin, "can't make a zero-voter config joint"},
      {raft::kSimpleWhileJoint, "can't apply simple config change in joint config"},
      {raft::kNoVotersLeft, "removed all voters"},
      {raft::kMoreThanOneVoter, "more than one voter changed without entering joint config"},
  };
  for (const auto& [ours, theirs] : kTexts) {
    if (refusal.message() == ours) return theirs;
  }
  return std::string(refusal.message());
}

absl::StatusOr<bool> AutoLeave(const Directive& directive) {
  if (directive.arguments.empty()) return false;
  const Argument* argument = directive.Find("autoleave");
  if (argument == nullptr || argument->values.size() != 1) {
    return absl::InvalidArgumentError("the only argument there can be is autoleave=true or false");
  }
  return ParseBool(argument->values.front());
}

class ConfChangeAdapter final : public Adapter {
 public:
  absl::StatusOr<std::string> Run(const Directive& directive) override {
    // Grows with every directive, the refused ones too: `next` tells who became a member when.
    const LogIndex last_index = last_index_;
    ++last_index_;
    const absl::StatusOr<std::vector<Change>> changes = ParseChanges(directive.input);
    if (!changes.ok()) return std::string(changes.status().message());
    absl::StatusOr<raft::Tracker> next;
    if (directive.command == "simple") {
      next = raft::ChangeSimply(tracker_, last_index, *changes);
    } else if (directive.command == "enter-joint") {
      TIDEMARK_ASSIGN_OR_RETURN(const bool auto_leave, AutoLeave(directive));
      next = raft::EnterJoint(tracker_, last_index, auto_leave, *changes);
    } else if (directive.command == "leave-joint") {
      if (!changes->empty()) return "this command takes no input";
      next = raft::LeaveJoint(tracker_);
    } else {
      return "unknown command";
    }
    if (!next.ok()) return RefusalText(next.status());
    tracker_ = *std::move(next);
    return MembershipText(tracker_.membership) + "\n" + MembersText(tracker_.members);
  }

 private:
  raft::Tracker tracker_;
  LogIndex last_index_;
};

}  // namespace

std::unique_ptr<Adapter> MakeConfChangeAdapter() { return std::make_unique<ConfChangeAdapter>(); }

}  // namespace tidemark::conformance
