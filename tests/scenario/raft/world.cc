#include "tests/scenario/raft/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/scenario/raft/statements.h"
#include "tests/scenario/raft/text.h"

namespace tidemark::scenario {

World::World() = default;
World::~World() = default;

std::vector<std::string> World::Usages() {
  std::vector<std::string> usages;
  for (const Statement& statement : Statements()) usages.emplace_back(statement.usage);
  for (const Requirement& requirement : Requirements()) usages.emplace_back(requirement.usage);
  return usages;
}

absl::StatusOr<std::vector<std::string>> World::Run(std::string_view statement) {
  output_.clear();
  was_refused_ = std::exchange(refused_, false);
  if (absl::Status done = Dispatch(statement); !done.ok()) return done;
  if (cluster_ != nullptr) {
    TellChanges();
    if (!cluster_->failures().empty()) return absl::InternalError(cluster_->failures().front());
  }
  return std::exchange(output_, {});
}

absl::Status World::Dispatch(std::string_view statement) {
  Words words(statement);
  // "2 times out" is named by what follows the node.
  Words name = words;
  (void)name.TakeNumber();
  for (const Statement& known : Statements()) {
    const bool subject_first = std::string_view(known.usage).starts_with("N ");
    if (!(subject_first ? name : words).TakeIf(known.name)) continue;
    if (cluster_ == nullptr && !known.before_start) {
      return absl::FailedPreconditionError(
          absl::StrCat("nothing has started yet; begin with `nodes COUNT` and `start`, then `",
                       known.usage, "`"));
    }
    absl::Status done = (this->*known.run)(words);
    if (absl::IsInvalidArgument(done)) {
      return absl::InvalidArgumentError(absl::StrCat(done.message(), "; it goes: ", known.usage));
    }
    if (!done.ok()) return done;
    if (!words.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "`", std::string(words.Peek()), "` is one word too many; it goes: ", known.usage));
    }
    return done;
  }
  return Unknown(statement);
}

absl::Status World::Unknown(std::string_view statement) const {
  Words words(statement);
  const std::string first = words.Take();
  std::vector<std::string> names;
  for (const Statement& known : Statements()) names.emplace_back(known.name);
  std::vector<std::string> near = Nearest(first, names);
  const std::string rest = absl::StrJoin(words.TakeRest(), " ");
  for (std::string& name : Nearest(rest, names)) near.push_back(std::move(name));
  std::vector<std::string> usages;
  for (const Statement& known : Statements()) {
    if (std::count(near.begin(), near.end(), known.name) > 0) usages.emplace_back(known.usage);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no statement is `", std::string(statement), "`; ",
                   usages.empty() ? absl::StrCat("known are ", absl::StrJoin(names, ", "))
                                  : absl::StrCat("near it are: ", absl::StrJoin(usages, "; "))));
}

absl::StatusOr<NodeId> World::Node(Words& words) const {
  const std::string word(words.Peek());
  const std::optional<NodeId> node = words.TakeNode();
  if (!node || *node == kNoNode || node->value() > node_count_) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", word, "` is no node; they are 1 to ", node_count_));
  }
  return *node;
}

absl::StatusOr<std::vector<NodeId>> World::NodesOrAll(Words& words) const {
  if (words.empty()) return cluster_->ids();
  std::vector<NodeId> nodes;
  while (!words.empty()) {
    const absl::StatusOr<NodeId> node = Node(words);
    if (!node.ok()) return node.status();
    nodes.push_back(*node);
  }
  return nodes;
}

absl::StatusOr<World::Selection> World::Select(Words& words) const {
  Selection selection;
  if (words.TakeIf("first")) selection.which = Selection::Which::kFirst;
  if (words.TakeIf("last")) selection.which = Selection::Which::kLast;
  const std::vector<std::string>& kinds = Kinds();
  if (std::count(kinds.begin(), kinds.end(), words.Peek()) > 0) selection.kind = words.Take();
  const auto take = [&](NodeId& into) {
    const absl::StatusOr<NodeId> node = Node(words);
    if (node.ok()) into = *node;
    return node.status();
  };
  if (words.empty() || words.Peek() == ":") return selection;
  if (words.TakeIf("to")) {
    if (absl::Status status = take(selection.to); !status.ok()) return status;
    return selection;
  }
  const bool only_from = words.TakeIf("from");
  if (absl::Status status = take(selection.from); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        status.message(), ", and the kinds of messages are ", absl::StrJoin(kinds, " ")));
  }
  if (only_from) return selection;
  if (!words.TakeIf("->")) return absl::InvalidArgumentError("`->` is missing behind the sender");
  if (absl::Status status = take(selection.to); !status.ok()) return status;
  return selection;
}

std::vector<size_t> World::Places(const Selection& selection) const {
  std::vector<size_t> places;
  const auto& flying = cluster_->in_flight();
  for (size_t i = 0; i < flying.size(); ++i) {
    if (!selection.kind.empty() && KindOf(flying[i]) != selection.kind) continue;
    if (selection.from != kNoNode && flying[i].from != selection.from) continue;
    if (selection.to != kNoNode && flying[i].to != selection.to) continue;
    places.push_back(i);
  }
  if (places.empty() || selection.which == Selection::Which::kAll) return places;
  return {selection.which == Selection::Which::kFirst ? places.front() : places.back()};
}

void World::SayIfRefused(const absl::Status& status) {
  if (status.ok()) return;
  refused_ = true;
  Say(absl::StrCat("refused: ", status.message()));
}

void World::Observe() {
  cluster_->on_send = [this](const raft::Message& message, bool lost) {
    if (show_messages_) {
      Say(absl::StrCat(MessageText(message), lost ? "  (lost)" : ""));
    } else {
      ++quiet_messages_;
    }
  };
  cluster_->on_read = [this](NodeId node, const raft::ReadResult& result) {
    reads_[result.id] = result.index;
    Say(absl::StrCat("read ", result.id.value(), " at ", node.value(), ": ",
                     result.index ? absl::StrCat("index ", result.index->value()) : "refused"));
  };
}

void World::TellChanges() {
  for (const NodeId id : cluster_->ids()) {
    std::string text = NodeText(*cluster_, id);
    for (const raft::Message& message : cluster_->HeldAt(id)) {
      absl::StrAppend(&text, "\n  once it is on disk: ", MessageText(message));
    }
    if (told_[id] != text) {
      told_[id] = text;
      for (size_t end = 0; end != std::string::npos;) {
        end = text.find('\n');
        Say(text.substr(0, end));
        text.erase(0, end + 1);
      }
    }
    if (!cluster_->up(id)) continue;
    const std::string members = MembershipText(cluster_->raft(id).membership());
    if (std::exchange(told_members_[id], members) != members) {
      Say(absl::StrCat(id.value(), " has members: ", members));
    }
  }
}

}  // namespace tidemark::scenario
