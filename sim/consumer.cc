#include "sim/consumer.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"
#include "engine/log/log.h"

namespace tidemark::sim {
namespace {

balancer::FetchOptions OptionsFor(Offset start) {
  balancer::FetchOptions options;
  options.start = start;
  options.give_up_after = Duration::Seconds(1000);
  options.backoff = {.base = Duration::Millis(10), .max = Duration::Millis(300)};
  options.retry_not_found = true;
  return options;
}

}  // namespace

Consumer::Consumer(World* world, uint32_t actor, const std::string& topic, PartitionId partition,
                   GroupId group, Offset start)
    : SessionClient(world, actor, topic, partition, group, OptionsFor(start)) {
  timeline().AddClient(actor, absl::StrCat("consumer ", actor));
}

void Consumer::Start() {
  if (world_->history() != nullptr) {
    world_->history()->OnConsume(now(), actor_, group_, position());
  }
  RefreshView();
  Run([this](Actions& out) { session_.Start(now(), out); });
}

void Consumer::Perform(const balancer::FetchAction& action) {
  if (const auto* open = std::get_if<balancer::OpenFetch>(&action)) {
    Open(*open);
  } else if (const auto* close = std::get_if<balancer::CloseStream>(&action)) {
    const StreamPtr stream = Take(*close);
    if (stream == nullptr) return;
    Up(stream, [this, stream] {
      if (stream->waiting != RequestId()) world_->Cancel(stream->node, stream->waiting);
    });
  } else if (const auto* failed = std::get_if<balancer::FetchFailed>(&action)) {
    OnFailed(failed->status);
  }
}

void Consumer::OnFailed(const absl::Status& status) {
  const Offset start = last_error_.start_offset.value_or(Offset());
  Observer& observer = world_->observer();
  if (!absl::IsOutOfRange(status) || start <= position() ||
      start > observer.retention().LetGoBefore(group_)) {
    world_->verdict().Fail("consumer",
                           absl::StrCat("consumer ", actor_, " gave up: ", status.ToString()));
    return;
  }
  world_->coverage().Hit(Probe::kConsumerBehindRetention);
  world_->scheduler().After(Latency(), [this, start] {
    world_->observer().consumers().OnSkipped(actor_, group_, start);
    if (world_->history() != nullptr) world_->history()->OnLeftBehind(now(), actor_, start);
    on_left_behind(start);
  });
}

void Consumer::Open(const balancer::OpenFetch& open) {
  const StreamPtr stream = Connect(open.stream, open.target);
  if (stream == nullptr) return;
  Up(
      stream, [this, id = open.stream, stream, offset = open.offset] { Serve(id, stream, offset); },
      timeline().Asks(actor_, stream->node, "fetch"));
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
    Down(stream, [this, id, found] {
      Run([&](Actions& out) {
        if (found.compacted) session_.OnGap(now(), id, found.from, found.limit);
        session_.OnProgress(now(), id, found.limit, out);
      });
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
    for (const GroupView& view : world_->node(stream->node).Groups()) {
      if (view.group != group_ || frames.ok()) continue;
      if (found.range->first_index >= view.log->compacted_end()) continue;
      // Removed or compacted meanwhile; what the driver says then.
      const balancer::CallError gone{.code = absl::StatusCode::kUnavailable,
                                     .reason = "OFFSET_NOT_AVAILABLE"};
      Down(stream, [this, id, gone] { Close(id, gone); });
      return;
    }
    if (absl::IsUnavailable(read.status()) ||
        (!frames.ok() && world_->IsRotten(stream->node, found.range->file))) {
      const balancer::CallError damaged{.code = absl::StatusCode::kDataLoss,
                                        .reason = "STORAGE_FAILED"};
      if (absl::IsDataLoss(frames.status())) {
        world_->TellDamage(stream->node, found.range->file);
      }
      Down(stream, [this, id, damaged] { Close(id, damaged); });
      return;
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
        Down(
            stream,
            [this, id, frame, limit = found.limit, compacted = found.compacted] {
              OnData(id, frame, limit, compacted);
            },
            timeline().Answers(stream->node, actor_, "records"));
      }
    }
    Serve(id, stream, next);
  });
}

void Consumer::OnData(balancer::StreamId id, const Bytes& frame, Offset high_watermark,
                      bool compacted) {
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame.view());
  TIDEMARK_CHECK(header.ok());
  Run([&](Actions& out) {
    if (compacted) session_.OnGap(now(), id, header->base_offset, high_watermark);
    const balancer::Delivery delivery =
        session_.OnData(now(), id, header->base_offset, header->base_offset + header->offset_span(),
                        high_watermark, out);
    if (!delivery.deliver) return;
    world_->coverage().Hit(Probe::kRecordConsumed, header->offset_span() - delivery.skip);
    if (world_->history() != nullptr) {
      world_->history()->OnConsumed(now(), actor_, frame.view(), delivery.skip);
    }
    timeline().Delivered(actor_, group_, header->base_offset + delivery.skip,
                         header->offset_span() - delivery.skip);
    Observer& observer = world_->observer();
    if (compacted) {
      observer.compaction().OnDelivered(actor_, group_, frame.view(), delivery.skip);
    } else {
      observer.consumers().OnDelivered(actor_, group_, frame.view(), delivery.skip);
    }
  });
}

void Consumer::Close(balancer::StreamId id, const balancer::CallError& error) {
  timeline().Refused(actor_, group_, error.reason.empty() ? error.message : error.reason);
  streams_.erase(id);
  last_error_ = error;
  Closed(id, error);
}

void Consumer::OnNodeDown(size_t node) {
  for (const auto& [id, stream] : StreamsTo(node)) {
    stream->broken = true;
    world_->scheduler().After(Latency(),
                              [this, which = id] { Close(which, Broken("connection reset")); });
  }
}

}  // namespace tidemark::sim
