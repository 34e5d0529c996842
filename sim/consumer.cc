#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"
#include "engine/log/log.h"
#include "sim/client.h"

namespace tidemark::sim {
namespace {

balancer::FetchOptions OptionsFor() {
  balancer::FetchOptions options;
  options.give_up_after = Duration::Seconds(1000);
  options.backoff = {.base = Duration::Millis(10), .max = Duration::Millis(300)};
  options.retry_not_found = true;
  return options;
}

balancer::CallError Broken(std::string message) {
  return {.code = absl::StatusCode::kUnavailable, .message = std::move(message)};
}

}  // namespace

Consumer::Consumer(World* world, uint32_t actor, std::string topic, PartitionId partition,
                   GroupId group)
    : Client(world, actor, topic),
      partition_(partition),
      group_(group),
      session_({.topic = std::move(topic), .partition = partition}, OptionsFor(), &view_, &picker_,
               Prng(world->decisions().Draw(Site::kClientSeed, actor))) {}

void Consumer::Start() {
  RefreshView();
  balancer::FetchActions actions;
  session_.Start(now(), actions);
  Perform(std::move(actions));
}

void Consumer::Perform(balancer::FetchActions actions) {
  for (balancer::FetchAction& action : actions) {
    if (const auto* open = std::get_if<balancer::OpenFetch>(&action)) {
      Open(*open);
    } else if (const auto* close = std::get_if<balancer::CloseStream>(&action)) {
      const auto found = streams_.find(close->stream);
      if (found == streams_.end()) continue;
      const StreamPtr stream = found->second;
      streams_.erase(found);
      stream->broken = true;
      Up(stream, [this, stream] {
        if (stream->waiting != RequestId()) world_->Cancel(stream->node, stream->waiting);
      });
    } else if (const auto* failed = std::get_if<balancer::FetchFailed>(&action)) {
      world_->verdict().Fail(
          "consumer", absl::StrCat("consumer ", actor_, " gave up: ", failed->status.ToString()));
    } else {
      RefreshView();
    }
  }
  ArmTimer();
}

void Consumer::Open(const balancer::OpenFetch& open) {
  const std::optional<size_t> node = world_->NodeAt(open.target.address);
  if (!node.has_value() || !world_->up(*node)) {
    world_->scheduler().After(Latency(), [this, id = open.stream] {
      balancer::FetchActions actions;
      session_.OnStreamClosed(now(), id, Broken("connection refused"), actions);
      Perform(std::move(actions));
    });
    return;
  }
  auto stream = std::make_shared<Stream>();
  stream->node = *node;
  stream->incarnation = world_->incarnation(*node);
  streams_.emplace(open.stream, stream);
  Up(stream, [this, id = open.stream, stream, offset = open.offset] { Serve(id, stream, offset); });
}

void Consumer::Serve(balancer::StreamId id, const StreamPtr& stream, Offset from) {
  if (stream->broken) return;
  FetchRequest fetch;
  fetch.topic = topic_;
  fetch.partition = partition_;
  fetch.offset = from;
  fetch.max_bytes = 64u << 10;
  fetch.wait = true;
  stream->waiting = world_->Submit(stream->node, fetch, [this, id, stream](Response response) {
    stream->waiting = RequestId();
    if (const auto* error = std::get_if<RpcError>(&response)) {
      Down(stream, [this, id, call = CallErrorOf(*error)] { Close(id, call); });
      return;
    }
    ServeFound(id, stream, std::get<FetchResponse>(response));
  });
}

void Consumer::ServeFound(balancer::StreamId id, const StreamPtr& stream,
                          const FetchResponse& found) {
  if (!found.range.has_value()) {
    Down(stream, [this, id, limit = found.limit] {
      balancer::FetchActions actions;
      session_.OnProgress(now(), id, limit, actions);
      Perform(std::move(actions));
    });
    world_->scheduler().After(Duration::Millis(10), [this, id, stream, from = found.from] {
      if (world_->up(stream->node) && world_->incarnation(stream->node) == stream->incarnation) {
        Serve(id, stream, from);
      }
    });
    return;
  }
  for (const GroupView& view : world_->node(stream->node).Groups()) {
    if (view.group == group_ && view.raft->role() != raft::Role::kLeader) {
      world_->coverage().Hit(Probe::kReadAtFollower);
    }
  }
  world_->ReadAt(stream->node, *found.range, [this, id, stream, found](absl::StatusOr<Bytes> read) {
    absl::StatusOr<std::vector<Bytes>> frames = absl::UnknownError("not read");
    if (read.ok()) {
      frames = ConsumerFrames(*found.range, *read, found.from, found.limit);
    } else {
      frames = read.status();
    }
    if (!frames.ok() || frames->empty()) {
      world_->verdict().Fail(
          "consumer",
          absl::StrCat("node ", world_->id(stream->node).value(), " answered a fetch from offset ",
                       found.from.value(),
                       " with a range without readable records: ", frames.status().message()));
      return;
    }
    Offset next = found.from;
    for (const Bytes& run : *frames) {
      for (size_t at = 0; at < run.size();) {
        const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(run.view().substr(at));
        if (!header.ok()) break;
        const Bytes frame = run.Slice(at, header->total_bytes());
        next = header->base_offset + header->offset_span();
        at += header->total_bytes();
        Down(stream, [this, id, frame, limit = found.limit] { OnData(id, frame, limit); });
      }
    }
    Serve(id, stream, next);
  });
}

void Consumer::OnData(balancer::StreamId id, const Bytes& frame, Offset high_watermark) {
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame.view());
  TIDEMARK_CHECK(header.ok());
  balancer::FetchActions actions;
  const balancer::Delivery delivery =
      session_.OnData(now(), id, header->base_offset, header->base_offset + header->offset_span(),
                      high_watermark, actions);
  if (delivery.deliver) {
    world_->coverage().Hit(Probe::kRecordConsumed, header->offset_span() - delivery.skip);
    world_->observer().consumers().OnDelivered(actor_, group_, frame.view(), delivery.skip);
  }
  Perform(std::move(actions));
}

void Consumer::Close(balancer::StreamId id, const balancer::CallError& error) {
  streams_.erase(id);
  balancer::FetchActions actions;
  session_.OnStreamClosed(now(), id, error, actions);
  Perform(std::move(actions));
}

void Consumer::OnNodeDown(size_t node) {
  std::vector<std::pair<balancer::StreamId, StreamPtr>> broken;
  for (const auto& [id, stream] : streams_) {
    if (stream->node == node) broken.emplace_back(id, stream);
  }
  for (const auto& [id, stream] : broken) {
    stream->broken = true;
    world_->scheduler().After(Latency(),
                              [this, which = id] { Close(which, Broken("connection reset")); });
  }
}

void Consumer::ArmTimer() {
  const Instant deadline = session_.next_deadline();
  if (deadline >= timer_) return;
  timer_ = deadline;
  world_->scheduler().At(deadline, [this, deadline] {
    if (timer_ != deadline) return;
    timer_ = Instant::Never();
    balancer::FetchActions actions;
    session_.OnTimer(now(), actions);
    Perform(std::move(actions));
  });
}

}  // namespace tidemark::sim
