#include "sim/reader.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

constexpr Duration kGapMax = Duration::Millis(100);
// It would wait for records for ever where there are none.
constexpr Duration kTailFor = Duration::Millis(400);
// Nodes end reads by themselves within two election timeouts of at most 500 ms.
constexpr Duration kAnswerBound = Duration::Seconds(3);

std::optional<Offset> EndIn(const RpcError& error) {
  uint64_t end = 0;
  const auto found = error.metadata.find("high_watermark");
  if (found == error.metadata.end() || !absl::SimpleAtoi(found->second, &end)) return std::nullopt;
  return Offset{end};
}

}  // namespace

Reader::Reader(World* world, uint32_t actor, const std::string& topic, PartitionId partition,
               GroupId group)
    : Client(world, actor, topic), partition_(partition), group_(group) {
  timeline().AddClient(actor, absl::StrCat("reader ", actor));
}

void Reader::ReadLater() {
  const Duration wait =
      world_->decisions().Between(Site::kReadGap, actor_, Duration::Micros(100), kGapMax);
  world_->scheduler().After(wait, [this] { Read(); });
}

// Half of the reads go to a node that believes to lead, be it deposed: what others may not know of
// it shows nowhere else.
size_t Reader::PickNode() {
  const size_t nodes = world_->nodes();
  const size_t picked =
      static_cast<size_t>(world_->decisions().Below(Site::kReadNode, actor_, nodes * 2));
  if (picked < nodes) return picked;
  const std::vector<size_t> leaders = world_->LeadersOf(group_);
  return leaders.empty() ? picked - nodes : leaders[(picked - nodes) % leaders.size()];
}

void Reader::Read() {
  Decisions& decisions = world_->decisions();
  Pending read;
  read.number = ++reads_;
  read.node = PickNode();
  read.kind = static_cast<Kind>(
      decisions.Below(Site::kReadKind, actor_, static_cast<uint64_t>(Kind::kCount)));
  FetchRequest& fetch = read.fetch;
  fetch.topic = topic_;
  fetch.partition = partition_;
  fetch.max_bytes = 4096;
  fetch.consistency = Consistency::kLinearizable;
  const bool at_offset = read.kind == Kind::kOffset || read.kind == Kind::kBoundedOffset;
  fetch.start = at_offset ? FetchRequest::Start::kOffset : FetchRequest::Start::kLatest;
  fetch.offset = seen_;
  if (read.kind >= Kind::kBoundedEnd) {
    fetch.consistency = Consistency::kBounded;
    fetch.max_staleness = decisions.Between(Site::kReadBound, actor_, Duration::Millis(1),
                                            world_->scenario().election_timeout * 2);
    fetch.wait = read.kind == Kind::kBoundedTail;
  }
  const MarkId mark = timeline().Asks(
      actor_, read.node,
      fetch.consistency == Consistency::kLinearizable ? "linearizable read" : "bounded read");
  pending_ = std::move(read);
  world_->scheduler().After(Latency(), [this, mark, number = reads_] {
    timeline().Ends(mark);
    Serve(number);
  });
}

void Reader::Serve(uint64_t number) {
  // Its node may have gone down meanwhile.
  if (!pending_.has_value() || pending_->number != number) return;
  if (!world_->up(pending_->node)) {
    pending_.reset();
    ReadLater();
    return;
  }
  pending_->floor = world_->observer().reads().Floor(group_);
  pending_->begun = now();
  const size_t node = pending_->node;
  if (History* history = world_->history()) {
    history->OnRead(now(), actor_, group_, pending_->fetch.consistency);
  }
  pending_->request = world_->Submit(
      node, pending_->fetch, [this, number](Response response) { OnAnswer(number, response); });
  if (!pending_->fetch.wait) return;
  world_->scheduler().After(kTailFor, [this, number] {
    if (!pending_.has_value() || pending_->number != number) return;
    world_->Cancel(pending_->node, *pending_->request);
    Lose();
    ReadLater();
  });
}

void Reader::OnAnswer(uint64_t number, const Response& response) {
  TIDEMARK_CHECK(pending_.has_value() && pending_->number == number);
  const auto* error = std::get_if<RpcError>(&response);
  const MarkId mark =
      timeline().Answers(pending_->node, actor_, error == nullptr ? "read" : error->reason);
  if (error != nullptr) {
    OnRefused(*error);
  } else {
    OnFetched(std::get<FetchResponse>(response));
  }
  pending_.reset();
  world_->scheduler().After(Latency(), [this, mark] {
    timeline().Ends(mark);
    ReadLater();
  });
}

void Reader::OnFetched(const FetchResponse& found) {
  const NodeId node = world_->id(pending_->node);
  Coverage& coverage = world_->coverage();
  seen_ = std::max(seen_, found.limit);
  if (History* history = world_->history()) {
    history->OnReadAnswered(now(), actor_, found.limit, found.staleness.value_or(Duration()));
  }
  if (!found.staleness.has_value()) {
    world_->verdict().Fail("bounded_reads",
                           absl::StrCat("node ", node.value(), " answers a read without its age"));
    return;
  }
  bool leads = false;
  bool alone = false;
  for (const GroupView& view : world_->node(pending_->node).Groups()) {
    if (view.group != group_) continue;
    leads = view.raft->role() == raft::Role::kLeader;
    alone = view.raft->membership().voters.Voters().size() == 1;
  }
  if (linearizable()) {
    well_ |= stopped_;
    coverage.Hit(Probe::kReadIndexServed);
    if (!leads) coverage.Hit(Probe::kReadIndexFollower);
    // In the step in which it came, so nobody was asked.
    if (leads && !alone && *found.staleness == Duration()) coverage.Hit(Probe::kLeaseRead);
    world_->observer().reads().OnLinearizable(node, group_, pending_->floor, found.limit);
  } else {
    coverage.Hit(Probe::kBoundedRead);
    world_->observer().reads().OnBounded(node, group_, now(), *found.staleness,
                                         pending_->fetch.max_staleness, found.limit);
  }
}

void Reader::OnRefused(const RpcError& error) {
  if (error.reason == "TOO_STALE") world_->coverage().Hit(Probe::kBoundedRefused);
  // Where the log ends it says as well when the offset is behind that.
  const std::optional<Offset> end = EndIn(error);
  const bool answered = linearizable() && end.has_value();
  if (History* history = world_->history()) {
    answered ? history->OnReadAnswered(now(), actor_, *end, Duration())
             : history->OnReadRefused(now(), actor_, error.reason);
  }
  if (answered) {
    world_->observer().reads().OnLinearizable(world_->id(pending_->node), group_, pending_->floor,
                                              *end);
  }
}

std::string Reader::WaitsFor() const {
  if (pending_.has_value() && pending_->request.has_value() && !pending_->fetch.wait &&
      now() - pending_->begun > kAnswerBound) {
    return absl::StrCat("an answer of node ", world_->id(pending_->node).value(), " since ",
                        (now() - pending_->begun).millis(), " ms");
  }
  return well_ ? "" : "a linearizable read";
}

void Reader::OnNodeDown(size_t node) {
  if (!pending_.has_value() || pending_->node != node || !pending_->request.has_value()) return;
  Lose();
  ReadLater();
}

void Reader::Lose() {
  if (History* history = world_->history()) history->OnReadLost(now(), actor_);
  pending_.reset();
}

}  // namespace tidemark::sim
