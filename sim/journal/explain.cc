#include "sim/journal/explain.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "sim/render.h"

namespace tidemark::sim {
namespace {

template <typename Ids>
std::string Nodes(const Ids& nodes) {
  return absl::StrJoin(nodes, ", ",
                       [](std::string* out, NodeId node) { absl::StrAppend(out, node.value()); });
}

}  // namespace

void Explainer::Line(std::string_view text) {
  tell_(absl::StrFormat("%s  %8d  %s", RenderTime(now_.wall), step_, text));
}

void Explainer::OnBegin(const journal::Begin& begin, const journal::DirectoryImage& files) {
  now_ = started_ = begin.now;
  summed_ = now_.instant;
  self_ = begin.options.id;
  voters_ = begin.options.voters.size();
  Line(absl::StrCat("node ", self_.value(), " of cluster ", begin.options.cluster_id, " at ",
                    begin.options.advertise.ToString(), ", version ", begin.recorder, ", voters ",
                    Nodes(begin.options.voters)));
  Line(absl::StrCat("recovers from ", files.files(), " files, ", RenderBytes(files.bytes()),
                    " of them read"));
}

void Explainer::BeforeStep(uint64_t step, Now now, std::span<const Event> events) {
  step_ = step;
  now_ = now;
  heard_.clear();
  told_to_campaign_.clear();
  if (deadline_ != Instant::Never() && now.instant > deadline_ + options_.stall) {
    Line(absl::StrCat("the node was not run for ", RenderDuration(now.instant - deadline_),
                      " after it wanted to be: the process stood still"));
  }
  for (const Event& event : events) {
    std::visit(
        [&](const auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, PeerReceived>) {
            Hear(e);
          } else if constexpr (std::is_same_v<E, PeerLink>) {
            const auto [at, is_new] = links_.emplace(e.peer, e.up);
            if (!is_new && at->second == e.up) return;
            at->second = e.up;
            Line(absl::StrCat("the connection to node ", e.peer.value(),
                              e.up ? " is up" : " broke"));
          } else if constexpr (std::is_same_v<E, RequestReceived>) {
            Ask(e);
          } else if constexpr (std::is_same_v<E, RequestCancelled>) {
            asked_.erase(e.id);
          } else if constexpr (std::is_same_v<E, IoDone>) {
            FinishFlush(e);
          } else if constexpr (std::is_same_v<E, ReadDone>) {
            if (!e.bytes.ok()) {
              Line(absl::StrCat("a read fails: ", std::string(e.bytes.status().message())));
            }
          } else if constexpr (std::is_same_v<E, GroupReopened>) {
            Line(e.recovered.ok() ? std::string("a group's files were read again")
                                  : absl::StrCat("a group's files cannot be read again: ",
                                                 std::string(e.recovered.status().message())));
          } else if constexpr (std::is_same_v<E, ShutdownRequested>) {
            Line("is asked to shut down");
          }
        },
        event);
  }
}

void Explainer::Hear(const PeerReceived& received) {
  const GroupId group = received.message.group;
  const raft::Message& message = received.message.message;
  heard_[group].emplace_back(received.from, message.term);
  GroupStory& story = groups_[group];
  if (received.from == story.leader) story.leader_heard = now_.instant;
  if (std::holds_alternative<raft::TimeoutNow>(message.body)) {
    told_to_campaign_[group] = received.from;
  }
  const auto* reply = std::get_if<raft::VoteReply>(&message.body);
  if (reply != nullptr && reply->granted) story.granted.insert(received.from);
}

void Explainer::Ask(const RequestReceived& received) {
  Asked asked{.request = {}, .principal = received.principal, .bytes = 0};
  if (const auto* produce = std::get_if<ProduceRequest>(&received.request)) {
    asked.bytes = produce->batch.size();
    asked.request =
        ProduceRequest{.topic = produce->topic, .partition = produce->partition, .batch = {}};
  } else {
    asked.request = received.request;
  }
  const bool changes = std::holds_alternative<CreateTopicRequest>(received.request) ||
                       std::holds_alternative<DeleteTopicRequest>(received.request);
  if (changes) {
    Line(absl::StrCat(asked.principal.empty() ? std::string("somebody") : asked.principal,
                      " asks to ", Render(received.request)));
  }
  asked_.insert_or_assign(received.id, std::move(asked));
}

void Explainer::FinishFlush(const IoDone& done) {
  const auto found = flushes_.find(done.token);
  if (found == flushes_.end()) return;
  const Flushing flush = found->second;
  flushes_.erase(found);
  const Duration took = now_.instant - flush.begun;
  if (!done.status.ok()) {
    Line(absl::StrCat("a flush of ", groups_[flush.group].name, " fails after ",
                      RenderDuration(took), ": ", std::string(done.status.message())));
  } else if (took >= options_.slow_flush) {
    ++slow_flushes_;
    Line(absl::StrCat("slow flush: ", RenderBytes(flush.bytes), " of ", groups_[flush.group].name,
                      " took ", RenderDuration(took)));
  }
}

void Explainer::AfterStep(uint64_t, Now now, std::span<const Effect> effects, const Node& node) {
  if (step_ == 0) Line("starts");
  for (const GroupView& view : node.Groups()) {
    GroupStory& story = groups_[view.group];
    if (!story.name.empty()) continue;
    story.name = absl::StrCat("group ", view.group.value());
    for (const GroupInfo& info : node.Status(now).groups) {
      if (info.group != view.group) continue;
      absl::StrAppend(&story.name, info.topic.empty() ? std::string(" (catalog)")
                                                      : absl::StrCat(" (", info.topic, "/",
                                                                     info.partition.value(), ")"));
    }
    story.role = view.raft->role();
    story.term = view.raft->term();
    story.leader = view.raft->leader();
    Line(absl::StrCat(story.name, " is here, ", raft::NameOf(story.role), " in term ",
                      story.term.value()));
  }
  for (const Effect& effect : effects) {
    std::visit(
        [&](const auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, Flush>) {
            Flushing flush{.group = e.group, .begun = now.instant, .bytes = 0};
            for (const FileOp& op : e.batch.ops) {
              const auto* write = std::get_if<WriteFile>(&op);
              if (write == nullptr) continue;
              for (const Bytes& data : write->data) flush.bytes += data.size();
            }
            flushes_.emplace(e.token, flush);
          } else if constexpr (std::is_same_v<E, Reply>) {
            Answer(e);
          } else if constexpr (std::is_same_v<E, SetPeerAddress>) {
            Line(absl::StrCat("node ", e.node.value(), " is at ", e.address.ToString()));
          } else if constexpr (std::is_same_v<E, ReopenGroup>) {
            Line(absl::StrCat("reads the files of ", groups_[e.group].name, " again"));
          } else if constexpr (std::is_same_v<E, Note>) {
            // Told below, with the reason.
            if (e.event != "leadership") Line(Render(Effect(e)));
          } else if constexpr (std::is_same_v<E, ShutdownComplete>) {
            Line("has shut down");
          }
        },
        effect);
  }
  std::set<GroupId> present;
  for (const GroupView& view : node.Groups()) {
    present.insert(view.group);
    LookAt(view);
  }
  for (auto at = groups_.begin(); at != groups_.end();) {
    // A name it has got when it was here: others were only heard of.
    const bool gone = !at->second.name.empty() && !present.contains(at->first);
    if (gone) Line(absl::StrCat(at->second.name, " is gone"));
    at = gone ? groups_.erase(at) : std::next(at);
  }
  deadline_ = node.next_deadline();
  if (now.instant - summed_ >= options_.summary) SumUp();
}

void Explainer::Answer(const Reply& reply) {
  const auto found = asked_.find(reply.id);
  if (found == asked_.end()) return;
  const Asked asked = std::move(found->second);
  asked_.erase(found);
  if (const auto* error = std::get_if<RpcError>(&reply.response)) {
    // The first of a kind is told, the others are counted.
    if (refusals_[error->reason]++ == 0) {
      Line(absl::StrCat("refuses to ", Render(asked.request), ": ", error->reason, ", ",
                        error->message));
    }
  }
  const bool refused = std::holds_alternative<RpcError>(reply.response);
  if (const auto* produce = std::get_if<ProduceRequest>(&asked.request)) {
    TopicSum& sum = sums_[produce->topic];
    if (refused) {
      ++sum.refused;
    } else {
      ++sum.produced;
      sum.bytes += asked.bytes;
      sum.records += std::get<ProduceResponse>(reply.response).record_count;
    }
  } else if (const auto* fetch = std::get_if<FetchRequest>(&asked.request)) {
    TopicSum& sum = sums_[fetch->topic];
    ++(refused ? sum.refused : sum.fetches);
    const auto* got = std::get_if<FetchResponse>(&reply.response);
    if (got != nullptr && got->range.has_value()) sum.fetched_bytes += got->range->length;
  } else if (std::holds_alternative<CreateTopicResponse>(reply.response) ||
             std::holds_alternative<DeleteTopicResponse>(reply.response)) {
    Line(absl::StrCat("done: ", Render(asked.request)));
  }
}

void Explainer::LookAt(const GroupView& view) {
  GroupStory& story = groups_[view.group];
  const bool failed = view.failure != nullptr;
  if (failed != story.failed) {
    Line(absl::StrCat(story.name, failed ? absl::StrCat(" takes no part: ", *view.failure)
                                         : std::string(" takes part again")));
    story.failed = failed;
  }
  const raft::Raft& raft = *view.raft;
  const bool same_role = raft.role() == story.role;
  if (same_role && raft.term() == story.term && raft.leader() == story.leader) return;
  if (!same_role || raft.term() != story.term || raft.leader() != kNoNode) {
    std::string what = absl::StrCat(story.name, ": ", raft::NameOf(raft.role()));
    if (raft.role() == raft::Role::kFollower && raft.leader() != kNoNode) {
      absl::StrAppend(&what, " of node ", raft.leader().value());
    }
    absl::StrAppend(&what, " in term ", raft.term().value());
    if (!same_role) absl::StrAppend(&what, " (was ", raft::NameOf(story.role), ")");
    Line(absl::StrCat(what, ": ", Why(story, view)));
  } else {
    Line(absl::StrCat(story.name, ": knows no leader in term ", raft.term().value(), " any more"));
    story.lost_leader = story.leader;
  }
  if (raft.leader() != kNoNode) story.lost_leader = kNoNode;
  if (raft.role() == raft::Role::kLeader && !same_role) ++elections_won_;
  if (raft.leader() != story.leader) story.leader_heard = now_.instant;
  // Votes count in one attempt; a pre-vote's end is the beginning of the vote.
  if (!same_role || raft.term() != story.term) story.granted.clear();
  story.role = raft.role();
  story.term = raft.term();
  story.leader = raft.leader();
  story.quorum_losses = raft.counters().quorum_losses;
}

std::string Explainer::Why(const GroupStory& before, const GroupView& view) const {
  const raft::Raft& raft = *view.raft;
  const auto votes = [&](const char* what) {
    return before.granted.empty()
               ? absl::StrCat("its own ", what, " is enough")
               : absl::StrCat(what, "s of ", Nodes(before.granted), " and its own, of ",
                              raft.membership().voters.incoming.voters().size(), " voters");
  };
  switch (raft.role()) {
    case raft::Role::kLeader:
      return votes("vote");
    case raft::Role::kCandidate:
      if (before.role == raft::Role::kPreCandidate) return votes("pre-vote");
      break;
    case raft::Role::kPreCandidate:
      break;
    case raft::Role::kFollower:
      return WhyFollower(before, view);
  }
  const auto asked = told_to_campaign_.find(view.group);
  if (asked != told_to_campaign_.end()) {
    return absl::StrCat("node ", asked->second.value(), " hands leadership over");
  }
  if (before.role == raft::Role::kCandidate) return "the election brought no leader in time";
  if (before.lost_leader != kNoNode) {
    const auto link = links_.find(before.lost_leader);
    const bool broken = link != links_.end() && !link->second;
    return absl::StrCat("leader ", before.lost_leader.value(), " was lost ",
                        RenderDuration(now_.instant - before.leader_heard.value_or(now_.instant)),
                        " ago", broken ? ", as the connection to it broke" : "");
  }
  if (before.leader == kNoNode) return "no leader is known";
  return absl::StrCat("nothing heard of leader ", before.leader.value(), " for ",
                      RenderDuration(now_.instant - before.leader_heard.value_or(now_.instant)));
}

std::string Explainer::WhyFollower(const GroupStory& before, const GroupView& view) const {
  const raft::Raft& raft = *view.raft;
  if (before.role == raft::Role::kLeader && raft.counters().quorum_losses > before.quorum_losses) {
    return "no quorum was heard for an election timeout";
  }
  const auto heard = heard_.find(view.group);
  if (heard == heard_.end()) return "by itself";
  for (const auto& [from, term] : heard->second) {
    if (term > before.term && term == raft.term()) {
      return absl::StrCat("node ", from.value(), " is in term ", term.value());
    }
  }
  if (raft.leader() != kNoNode) return absl::StrCat("node ", raft.leader().value(), " leads");
  return absl::StrCat("told by node ", heard->second.back().first.value());
}

void Explainer::SumUp() {
  const Duration period = now_.instant - std::exchange(summed_, now_.instant);
  for (const auto& [topic, sum] : std::exchange(sums_, {})) {
    std::string text = absl::StrCat("topic ", topic, " in ", RenderDuration(period), ":");
    if (sum.produced > 0) {
      absl::StrAppend(&text, " ", sum.produced, " produced (", sum.records, " records, ",
                      RenderBytes(sum.bytes), ")");
    }
    if (sum.fetches > 0) {
      absl::StrAppend(&text, " ", sum.fetches, " fetches (", RenderBytes(sum.fetched_bytes), ")");
    }
    if (sum.refused > 0) absl::StrAppend(&text, " ", sum.refused, " refused");
    Line(text);
  }
  for (const auto& [reason, count] : std::exchange(refusals_, {})) {
    if (count > 1) Line(absl::StrCat(count, " requests were refused: ", reason));
  }
}

void Explainer::Finish() {
  SumUp();
  for (const auto& [group, story] : groups_) {
    if (story.name.empty()) continue;
    Line(absl::StrCat("in the end ", story.name, ": ", raft::NameOf(story.role), " in term ",
                      story.term.value(),
                      story.leader == kNoNode ? std::string(", no leader known")
                                              : absl::StrCat(", leader ", story.leader.value())));
  }
  Line(absl::StrCat("lived ", RenderDuration(now_.instant - started_.instant), ", won ",
                    elections_won_, " elections, ", slow_flushes_, " slow flushes"));
}

}  // namespace tidemark::sim
