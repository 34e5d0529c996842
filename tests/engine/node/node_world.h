#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/log/log.h"
#include "engine/node/node.h"
#include "engine/node/recovered_group.h"

// The smallest world that can run a node: a disk that does everything at once (or when told to), a
// clock that is turned by hand, and a mailbox of what the node answered. For tests of one node; the
// simulator is for more.

namespace tidemark {

class MapDisk : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId group) const override {
    std::vector<FileId> list;
    for (const auto& [file, bytes] : files_) {
      if (file.group == group) list.push_back(file);
    }
    return list;
  }
  std::vector<GroupId> Groups() const override {
    std::set<GroupId> groups;
    for (const auto& [file, bytes] : files_) groups.insert(file.group);
    return {groups.begin(), groups.end()};
  }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    const auto found = files_.find(file);
    if (found == files_.end()) return absl::NotFoundError(PathOf(file));
    return std::string_view(found->second);
  }

  // As the file store reads: all that is asked for, or an error.
  absl::StatusOr<Bytes> ReadFull(const FileId& file, FilePos pos, uint32_t length) const {
    const auto found = files_.find(file);
    if (found == files_.end()) return absl::NotFoundError(PathOf(file));
    if (pos.value() + length > found->second.size()) {
      return absl::DataLossError(PathOf(file) + " ends before");
    }
    return Bytes::Copy(std::string_view(found->second).substr(pos.value(), length));
  }

  void Execute(const FileBatch& batch) {
    for (const FileOp& op : batch.ops) {
      if (const auto* create = std::get_if<CreateFile>(&op)) {
        files_[create->file] = std::string(create->zero_bytes, '\0');
      } else if (const auto* write = std::get_if<WriteFile>(&op)) {
        std::string& bytes = files_.at(write->file);
        size_t pos = write->pos.value();
        for (const Bytes& slice : write->data) {
          if (bytes.size() < pos + slice.size()) bytes.resize(pos + slice.size());
          bytes.replace(pos, slice.size(), slice.view());
          pos += slice.size();
        }
      } else if (const auto* truncate = std::get_if<TruncateFile>(&op)) {
        files_.at(truncate->file).resize(truncate->size);
      } else if (const auto* remove = std::get_if<RemoveFile>(&op)) {
        files_.erase(remove->file);
      } else {
        const auto& rename = std::get<RenameFile>(op);
        files_[rename.to] = std::move(files_.at(rename.from));
        files_.erase(rename.from);
      }
    }
  }

  std::map<FileId, std::string> files_;
};

class NodeWorld {
 public:
  explicit NodeWorld(NodeOptions options) : options_(std::move(options)) {}

  // Every other founder is new, too, and has met this node.
  void MeetFounders() {
    std::optional<Introduction> own;
    const auto look = [&] {
      for (const SendPeer& send : sent_) {
        if (send.message.introduction != nullptr) own = *send.message.introduction;
      }
    };
    look();
    if (!own.has_value()) Advance(options_.election_timeout);
    look();
    TIDEMARK_CHECK(own.has_value());
    for (const NodeId founder : options_.voters) {
      if (founder == options_.id) continue;
      Tell(PeerReceived{founder,
                        {.group = kCatalogGroup,
                         .message = {.from = founder, .to = options_.id},
                         .introduction = std::make_shared<const Introduction>(
                             Introduction{.incarnation = Incarnation(100 + founder.value()),
                                          .known = own->incarnation,
                                          .founding = true})}});
    }
  }

  static NodeOptions SingleNode() {
    NodeOptions options;
    options.id = NodeId(1);
    options.cluster_id = "test";
    options.advertise = *Endpoint::Parse("127.0.0.1:1000");
    options.voters = {NodeId(1)};
    options.acl_allow_all = true;
    options.log.segment_bytes = 64 << 10;
    return options;
  }

  absl::Status Boot() {
    effects_.clear();
    flushes_.clear();
    reopens_.clear();
    reads_.clear();
    auto node = Node::Recover(options_, disk_, now_, Prng(42));
    if (!node.ok()) return node.status();
    node_ = std::make_unique<Node>(*std::move(node));
    node_->Start(now_, effects_);
    Absorb();
    return absl::OkStatus();
  }

  void Tell(Event event) {
    std::vector<Event> events;
    events.push_back(std::move(event));
    node_->Step(now_, events, effects_);
    Absorb();
  }

  // Runs timers for `duration`.
  void Advance(Duration duration) {
    const Instant end = now_.instant + duration;
    while (node_->next_deadline() <= end) {
      now_.instant = std::max(now_.instant, node_->next_deadline());
      node_->Step(now_, {}, effects_);
      Absorb();
    }
    now_.instant = end;
  }

  // Sends a request and gives its answer, if there is one by now.
  RequestId Ask(Request request, std::string principal = "tester") {
    const RequestId id(++last_request_);
    Tell(RequestReceived{id, std::move(principal), std::move(request)});
    return id;
  }
  std::optional<Response> Answer(RequestId id) {
    const auto found = answers_.find(id);
    if (found == answers_.end()) return std::nullopt;
    return found->second;
  }
  template <typename T>
  T Get(Request request, std::string principal = "tester") {
    const std::optional<Response> answer = Answer(Ask(std::move(request), std::move(principal)));
    if (!answer.has_value()) return T{};
    const T* value = std::get_if<T>(&*answer);
    return value == nullptr ? T{} : *value;
  }

  void FinishFlushes(absl::Status status = absl::OkStatus()) {
    while (!flushes_.empty()) {
      Flush flush = std::move(flushes_.front());
      flushes_.pop_front();
      const absl::Status result = fault_ ? fault_(flush) : status;
      if (result.ok()) disk_.Execute(flush.batch);
      Tell(IoDone{flush.token, result});
    }
  }

  // Answers what the node asked to be read again.
  void FinishReopens() {
    while (!reopens_.empty()) {
      const ReopenGroup reopen = reopens_.front();
      reopens_.pop_front();
      Tell(GroupReopened{reopen.token,
                         RecoverGroupAgain(reopen.group, options_.log, disk_, reopen.committed)});
    }
  }

  void FinishReads() {
    while (!reads_.empty()) {
      const ReadRange read = reads_.front();
      reads_.pop_front();
      const absl::StatusOr<std::string_view> file = disk_.Contents(read.file);
      if (!file.ok() || file->size() < read.pos.value() + read.length) {
        Tell(ReadDone{read.token, absl::NotFoundError(PathOf(read.file))});
      } else {
        Tell(ReadDone{read.token, Bytes::Copy(file->substr(read.pos.value(), read.length))});
      }
    }
  }

  NodeOptions options_;
  MapDisk disk_;
  Now now_{Instant::FromNanos(1), WallTime::FromMillis(1'700'000'000'000)};
  std::unique_ptr<Node> node_;
  bool hold_flushes_ = false;
  bool shutdown_complete_ = false;
  bool hold_reads_ = false;
  std::deque<Flush> flushes_;
  // If set, the fate of each flush; of one that fails it may execute a part.
  std::function<absl::Status(const Flush&)> fault_;
  bool hold_reopens_ = false;
  std::deque<ReopenGroup> reopens_;
  std::deque<ReadRange> reads_;
  std::vector<Instant> reopened_at_;  // when the node asked
  std::map<RequestId, Response> answers_;
  std::vector<SendPeer> sent_;
  std::vector<Note> notes_;

 private:
  void Absorb() {
    // Telling the node that a flush is done makes new effects: take them batch by batch.
    for (Effect& effect : std::exchange(effects_, {})) {
      if (auto* flush = std::get_if<Flush>(&effect)) {
        flushes_.push_back(std::move(*flush));
      } else if (auto* reply = std::get_if<Reply>(&effect)) {
        answers_.emplace(reply->id, std::move(reply->response));
      } else if (const auto* read = std::get_if<ReadRange>(&effect)) {
        reads_.push_back(*read);
      } else if (const auto* reopen = std::get_if<ReopenGroup>(&effect)) {
        reopens_.push_back(*reopen);
        reopened_at_.push_back(now_.instant);
      } else if (auto* send = std::get_if<SendPeer>(&effect)) {
        sent_.push_back(std::move(*send));
      } else if (auto* note = std::get_if<Note>(&effect)) {
        notes_.push_back(std::move(*note));
      } else if (std::holds_alternative<ShutdownComplete>(effect)) {
        shutdown_complete_ = true;
      }
    }
    if (finishing_) return;
    finishing_ = true;
    while ((!hold_flushes_ && !flushes_.empty()) || (!hold_reads_ && !reads_.empty()) ||
           (!hold_reopens_ && !reopens_.empty())) {
      if (!hold_flushes_) FinishFlushes();
      if (!hold_reads_) FinishReads();
      if (!hold_reopens_) FinishReopens();
    }
    finishing_ = false;
  }

  Effects effects_;
  uint64_t last_request_ = 0;
  bool finishing_ = false;
};

}  // namespace tidemark
