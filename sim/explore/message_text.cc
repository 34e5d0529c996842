#include "sim/explore/message_text.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/coding.h"
#include "engine/raft/conf_entry.h"
#include "sim/explore/disk_log.h"

namespace tidemark::sim::explore {
namespace {

// Visits the name and the fields of a message body: for people and for comparing, in one way.
template <typename Field>
void Visit(const raft::VoteRequest& m, const Field& field) {
  field("pre", m.pre_vote);
  field("last", m.last_index.value());
  field("last-term", m.last_term.value());
  field("transfer", m.leadership_transfer);
  field("commit", m.commit.value());
  field("commit-term", m.commit_term.value());
}
template <typename Field>
void Visit(const raft::VoteReply& m, const Field& field) {
  field("pre", m.pre_vote);
  field("granted", m.granted);
  field("commit", m.commit.value());
  field("commit-term", m.commit_term.value());
}
template <typename Field>
void Visit(const raft::AppendRequest& m, const Field& field) {
  field("prev", m.prev_index.value());
  field("prev-term", m.prev_term.value());
  field("commit", m.commit.value());
  field("all-durable", m.all_durable.value());
  field("sequence", m.sequence);
  field("entries", m.entries.size());
}
template <typename Field>
void Visit(const raft::AppendReply& m, const Field& field) {
  field("ok", m.success);
  field("match", m.match.value());
  field("hint-term", m.hint_term.value());
  field("refused", m.refused.value());
  field("sequence", m.sequence);
  field("no-room", m.no_room);
}
template <typename Field>
void Visit(const raft::Heartbeat& m, const Field& field) {
  field("commit", m.commit.value());
  field("context", m.context);
  field("all-durable", m.all_durable.value());
  field("priority", m.priority);
}
template <typename Field>
void Visit(const raft::HeartbeatReply& m, const Field& field) {
  field("context", m.context);
  field("no-room", m.no_room);
  field("unverified", m.unverified);
  field("installing", m.installing.value());
  field("priority", m.priority);
}
template <typename Field>
void Visit(const raft::InstallSnapshot& m, const Field& field) {
  field("index", m.meta.index.value());
  field("index-term", m.meta.term.value());
  field("sequence", m.sequence);
}
template <typename Field>
void Visit(const raft::TimeoutNow&, const Field&) {}
template <typename Field>
void Visit(const raft::ReadIndexRequest& m, const Field& field) {
  field("id", m.id.value());
}
template <typename Field>
void Visit(const raft::ReadIndexReply& m, const Field& field) {
  field("id", m.id.value());
  field("known", m.index.has_value());
  field("index", m.index.value_or(LogIndex{}).value());
}

constexpr std::string_view kNames[] = {"vote?",       "vote", "append",     "append-reply",
                                       "timeout-now", "beat", "beat-reply", "snapshot",
                                       "read?",       "read"};

std::string Text(const Entry& entry) {
  std::string text = absl::StrCat(entry.index.value(), "@", entry.term.value(), ":");
  if (raft::IsConfChange(entry.frame.view())) return absl::StrCat(text, "members");
  return absl::StrCat(text, std::string(entry.frame.view()));
}

}  // namespace

std::string Text(const raft::Message& message) {
  std::string text =
      absl::StrCat(message.from.value(), "->", message.to.value(), " ",
                   std::string(kNames[message.body.index()]), " term=", message.term.value());
  std::visit(
      [&](const auto& body) {
        Visit(body, [&](std::string_view name, auto value) {
          // What is 0 or false goes without saying.
          if (value != 0) absl::StrAppend(&text, " ", std::string(name), "=", uint64_t{value});
        });
      },
      message.body);
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
    for (const Entry& entry : append->entries) absl::StrAppend(&text, " ", Text(entry));
  }
  return text;
}

void AppendFingerprint(const raft::Message& message, std::string& out) {
  const auto put = [&](std::string_view /*name*/, auto value) {
    AppendVarint(out, static_cast<int64_t>(value));
  };
  put("", message.from.value());
  put("", message.to.value());
  put("", message.term.value());
  put("", message.body.index());
  std::visit([&](const auto& body) { Visit(body, put); }, message.body);
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
    for (const Entry& entry : append->entries) AppendFingerprint(entry, out);
  }
}

}  // namespace tidemark::sim::explore
