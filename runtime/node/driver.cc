#include "runtime/node/driver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/log/log.h"
#include "engine/node/recovered_group.h"
#include "proto/peer_convert.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

namespace tidemark {
namespace {

constexpr Duration kDiskSpaceInterval = Duration::Seconds(1);
// With little space left a second is long: a disk takes hundreds of megabytes.
constexpr Duration kDiskSpaceIntervalLow = Duration::Millis(100);
constexpr uint64_t kHeadroomsLow = 4;
// Of a produce whose step gRPC's thread runs itself. To check, copy and encrypt more takes longer
// than to wake the loop's thread, and gRPC's reads the next one meanwhile: with batches of 64 KiB a
// fifth of a producer's throughput.
constexpr size_t kBroughtBytesMax = 8u << 10;

bool IsBrought(const Request& request) {
  const auto* produce = std::get_if<ProduceRequest>(&request);
  return produce == nullptr || produce->batch.size() <= kBroughtBytesMax;
}

LogLevel LevelOf(Note::Level level) {
  switch (level) {
    case Note::Level::kInfo:
      return LogLevel::kInfo;
    case Note::Level::kWarning:
      return LogLevel::kWarning;
    case Note::Level::kError:
      return LogLevel::kError;
  }
  return LogLevel::kError;
}

ResolvedResponse ShuttingDown() {
  return {.response = RpcError{.code = absl::StatusCode::kUnavailable,
                               .reason = "SHUTTING_DOWN",
                               .message = "this node is shutting down; go on with another one",
                               .metadata = {}},
          .frames = {}};
}

// The answer to a fetch whose bytes have been read; `status` tells what is wrong with them.
ResolvedResponse Resolve(const FetchResponse& response, const absl::StatusOr<Bytes>& bytes,
                         absl::Status& status) {
  status = bytes.status();
  if (bytes.ok()) {
    absl::StatusOr<std::vector<Bytes>> frames =
        ConsumerFrames(*response.range, *bytes, response.from, response.limit);
    if (frames.ok()) return {.response = response, .frames = *std::move(frames)};
    status = frames.status();
  }
  if (absl::IsNotFound(status)) {
    // The file went between the answer and the read: retention, or the topic was deleted. Asked
    // again, the node knows.
    return {.response = RpcError{.code = absl::StatusCode::kUnavailable,
                                 .reason = "OFFSET_NOT_AVAILABLE",
                                 .message = "the records were removed while they were being read; "
                                            "ask again to learn where the log begins",
                                 .metadata = {}},
            .frames = {}};
  }
  Log(LogLevel::kError, "read_failed",
      {{"file", PathOf(response.range->file)}, {"error", std::string(status.message())}});
  return {.response = RpcError{.code = absl::StatusCode::kDataLoss,
                               .reason = "STORAGE_FAILED",
                               .message = absl::StrCat("this replica cannot read its log (",
                                                       status.message(), "); ask another one"),
                               .metadata = {}},
          .frames = {}};
}

}  // namespace

Driver::Driver(Node node, net::EventLoop* loop, FileStore* store, Metrics* metrics, Ports* ports,
               Recorder* recorder)
    : node_(std::move(node)),
      loop_(loop),
      store_(store),
      metrics_(metrics),
      ports_(ports),
      recorder_(recorder) {}

Driver::~Driver() = default;

void Driver::Start() {
  Effects effects;
  const Now now = ReadNow();
  if (recorder_ != nullptr) recorder_->BeforeStep(now, {}, {});
  node_.Start(now, effects);
  if (recorder_ != nullptr) recorder_->AfterStep(effects, node_.next_deadline());
  Execute(std::move(effects));
  ReportDiskSpace();
  ArmTimer();
}

RequestId Driver::Submit(std::string principal, Request request, Done done) {
  const RequestId id(last_request_.fetch_add(1, std::memory_order_relaxed) + 1);
  const bool bring = IsBrought(request);
  Enqueue(
      {RequestReceived{id, std::move(principal), std::move(request)}, id, std::move(done), nullptr},
      bring);
  return id;
}

void Driver::Cancel(RequestId id) { Enqueue({RequestCancelled{id}, id, nullptr, nullptr}); }

void Driver::Tell(Event event) { Enqueue({std::move(event), RequestId(), nullptr, nullptr}); }

void Driver::Enqueue(Told told, bool bring) {
  bool step = false;
  {
    std::unique_lock<std::mutex> hold(mutex_);
    if (stopped_) {
      hold.unlock();
      if (told.done) told.done(ShuttingDown());
      return;
    }
    told_.push_back(std::move(told));
    step = !std::exchange(step_posted_, true);
  }
  // Not under the lock: the step may run here.
  if (!step) return;
  if (bring) {
    loop_->Bring([this] { RunStep(); });
  } else {
    loop_->Post([this] { RunStep(); });
  }
}

void Driver::OnRaftFrame(NodeId from, Bytes frame) {
  absl::StatusOr<PeerMessage> message = DecodePeer(std::move(frame));
  if (!message.ok()) {
    // The transport's checksum was right, so this is another version or a bug, not the network.
    if (malformed_frames_++ % 1000 == 0) {
      Log(LogLevel::kError, "malformed_peer_message",
          {{"from", from}, {"error", std::string(message.status().message())}});
    }
    return;
  }
  Tell(PeerReceived{from, *std::move(message)});
}

void Driver::OnPeerLink(const Endpoint& peer, bool up) {
  for (const auto& [node, endpoint] : peers_) {
    if (endpoint == peer) Tell(PeerLink{node, up});
  }
}

void Driver::RunStep() {
  std::vector<Told> told;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    step_posted_ = false;
    if (stopped_) return;
    told.swap(told_);
  }
  std::vector<Event> events;
  events.reserve(told.size());
  std::vector<std::unique_ptr<journal::ReopenRecord>> reopened;
  for (Told& each : told) {
    if (each.done) {
      waiting_.emplace(each.id, std::move(each.done));
    } else if (std::holds_alternative<RequestCancelled>(each.event)) {
      waiting_.erase(each.id);
    }
    if (recorder_ != nullptr) reopened.push_back(std::move(each.reopened));
    events.push_back(std::move(each.event));
  }
  Effects effects;
  const Now now = ReadNow();
  if (recorder_ != nullptr) recorder_->BeforeStep(now, events, reopened);
  node_.Step(now, events, effects);
  if (recorder_ != nullptr) recorder_->AfterStep(effects, node_.next_deadline());
  Execute(std::move(effects));
  ArmTimer();
  lost_disk_.store(!node_.settled() && !node_.lost_disk().empty(), std::memory_order_relaxed);
  const bool healthy = node_.healthy();
  if (healthy != healthy_.exchange(healthy, std::memory_order_relaxed)) ports_->OnHealth(healthy);
}

void Driver::ArmTimer() {
  loop_->SetDeadline(node_.next_deadline(), [this] { RunStep(); });
}

void Driver::Execute(Effects effects) {
  const bool writes = std::any_of(effects.begin(), effects.end(), [](const Effect& effect) {
    return std::holds_alternative<Flush>(effect);
  });
  if (!writes) ExecuteReplies(effects);
  bool sent = false;
  for (Effect& effect : effects) {
    if (std::holds_alternative<Reply>(effect) || std::holds_alternative<Flush>(effect)) continue;
    if (auto* send = std::get_if<SendPeer>(&effect)) {
      const auto peer = peers_.find(send->to);
      // Not met yet: gossip will bring its address, raft will repeat itself.
      if (peer == peers_.end()) continue;
      ports_->SendRaft(peer->second, EncodePeer(send->message));
      sent = true;
    } else if (auto* read = std::get_if<ReadRange>(&effect)) {
      store_->Read(read->file, read->pos, read->length,
                   [this, token = read->token](absl::StatusOr<Bytes> bytes) {
                     Tell(ReadDone{token, std::move(bytes)});
                   });
    } else if (const auto* reopen = std::get_if<ReopenGroup>(&effect)) {
      ExecuteReopen(*reopen);
    } else if (auto* address = std::get_if<SetPeerAddress>(&effect)) {
      peers_[address->node] = address->address;
    } else if (auto* datagram = std::get_if<SendDatagram>(&effect)) {
      ports_->SendDatagram(datagram->to, std::move(datagram->bytes));
    } else if (auto* stream = std::get_if<SendGossipStream>(&effect)) {
      ports_->SendGossipStream(stream->to, std::move(stream->bytes));
    } else if (auto* note = std::get_if<Note>(&effect)) {
      LogTexts(LevelOf(note->level), note->event, note->fields);
    } else {
      ports_->OnShutdownComplete();
    }
  }
  // A follower's write takes as long as this node's and begins a round trip later: what it waits
  // for leaves first.
  if (sent) ports_->FlushPeers();
  if (!writes) return;
  for (Effect& effect : effects) {
    if (auto* flush = std::get_if<Flush>(&effect)) ExecuteFlush(std::move(*flush));
  }
  ExecuteReplies(effects);
}

void Driver::ExecuteReplies(Effects& effects) {
  for (Effect& effect : effects) {
    if (auto* reply = std::get_if<Reply>(&effect)) ExecuteReply(std::move(*reply));
  }
}

void Driver::ExecuteFlush(Flush flush) {
  store_->Execute(std::move(flush.batch),
                  [this, token = flush.token, begin = MonotonicNow()](absl::Status status) {
                    metrics_->OnFlush(MonotonicNow() - begin, status.ok());
                    Tell(IoDone{token, std::move(status)});
                  });
}

void Driver::ExecuteReopen(ReopenGroup reopen) {
  store_->Reopen(reopen.group, [this, reopen, options = node_.options().log](
                                   absl::StatusOr<std::unique_ptr<DirectoryView>> view) {
    // Here, on a thread of the store's: reading takes its time.
    if (!view.ok()) {
      Tell(GroupReopened{reopen.token, view.status()});
      return;
    }
    if (recorder_ == nullptr) {
      Tell(GroupReopened{reopen.token,
                         RecoverGroupAgain(reopen.group, options, **view, reopen.committed)});
      return;
    }
    const journal::RecordingView seen(view->get());
    GroupReopened event{reopen.token,
                        RecoverGroupAgain(reopen.group, options, seen, reopen.committed)};
    auto record = std::make_unique<journal::ReopenRecord>();
    record->reopening = {.group = reopen.group, .committed = reopen.committed};
    seen.Encode([&](const std::string& frames) { record->files.append(frames); });
    Enqueue({std::move(event), RequestId(), nullptr, std::move(record)});
  });
}

void Driver::ExecuteReply(Reply reply) {
  const auto found = waiting_.find(reply.id);
  if (found == waiting_.end()) return;  // cancelled meanwhile
  Done done = std::move(found->second);
  waiting_.erase(found);
  auto* fetch = std::get_if<FetchResponse>(&reply.response);
  if (fetch != nullptr && fetch->range.has_value()) {
    ReadForConsumer(std::move(done), std::move(*fetch));
  } else {
    done({.response = std::move(reply.response), .frames = {}});
  }
}

void Driver::ReadForConsumer(Done done, FetchResponse response) {
  const FileRange range = *response.range;
  store_->Read(
      range.file, range.pos, range.length,
      [this, done = std::move(done),
       response = std::move(response)](absl::StatusOr<Bytes> bytes) mutable {
        absl::Status status;
        ResolvedResponse resolved = Resolve(response, bytes, status);
        if (absl::IsDataLoss(status)) Tell(DamageFound{response.range->file});
        if (loop_->OnLoopThread()) {
          done(std::move(resolved));
          return;
        }
        loop_->Post([done = std::move(done), resolved = std::move(resolved)] { done(resolved); });
      });
}

void Driver::ReportDiskSpace() {
  const absl::StatusOr<FileStore::Space> space = store_->DiskSpace();
  if (space.ok()) {
    disk_free_bytes_ = space->free_bytes;
    Tell(DiskSpace{.free_bytes = space->free_bytes, .total_bytes = space->total_bytes});
  }
  const bool low = disk_free_bytes_ / kHeadroomsLow < node_.options().disk_headroom_bytes;
  loop_->After(low ? kDiskSpaceIntervalLow : kDiskSpaceInterval, [this] { ReportDiskSpace(); });
}

void Driver::Stop() {
  std::vector<Told> told;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stopped_ = true;
    told.swap(told_);
  }
  for (Told& each : told) {
    if (each.done) each.done(ShuttingDown());
  }
  for (auto& [id, done] : std::exchange(waiting_, {})) done(ShuttingDown());
}

Metrics::Snapshot Driver::Snapshot() {
  return {.status = node_.Status(ReadNow()),
          .counters = node_.counters(),
          .scrub = node_.scrub_progress(),
          .healthy = node_.healthy(),
          .lost_disk = !node_.lost_disk().empty(),
          .disk_free_bytes = disk_free_bytes_,
          .connections = 0};
}

}  // namespace tidemark
