#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/time.h"
#include "engine/node/effect.h"
#include "engine/node/event.h"
#include "proto/journal/codec.h"
#include "proto/journal/directory_image.h"
#include "runtime/base/unique_fd.h"

namespace tidemark {

// Writes the journal of one run of a node (proto/journal/JOURNAL.md) to a folder of its own below
// `directory`. The loop's thread only copies into memory; a thread of the recorder's writes.
//
// Recording never stops the node: when the disk fails or is full, when the run has outgrown what it
// may take or when the disk is so slow that too much waits in memory, recording ends with a line in
// the log, and what was written stays and can be replayed.
//
// Journals hold records, principals and gossip keys: files are readable by their owner alone.
class Recorder {
 public:
  struct Options {
    std::string directory;
    // Of all runs in `directory`: older ones are removed, as a whole, to make room for this one.
    uint64_t bytes_max = uint64_t{1} << 30;
    // A file of the journal is at least this large when the next one begins.
    uint64_t file_bytes = 64u << 20;
    // What may wait in memory.
    size_t waiting_bytes_max = 64u << 20;
  };

  // Makes the folder of this run.
  //   Errors  kUnavailable: cannot make it; says which and why.
  static absl::StatusOr<std::unique_ptr<Recorder>> Open(Options options);
  // Writes what waits, and that the run ended well.
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Once, before the first step; waits for the disk. `files` is what Node::Recover was given.
  void Begin(const journal::Begin& begin, const journal::RecordingView& files);

  // Loop's thread, before the node is told `events`: it may not survive them. `reopened` has an
  // element for each event, or none at all.
  void BeforeStep(Now now, std::span<const Event> events,
                  std::span<const std::unique_ptr<journal::ReopenRecord>> reopened);
  // Loop's thread, before the effects are executed.
  void AfterStep(std::span<const Effect> effects, Instant next_deadline);

  // Waits a moment until what was added is written, so that a process that ends itself leaves the
  // step it ends in. Any thread; does nothing on one that is inside of this object.
  void WriteOut();

  const std::string& run_directory() const { return run_directory_; }
  // Any thread.
  bool recording() const;

 private:
  explicit Recorder(Options options) : options_(std::move(options)) {}

  absl::Status MakeRunDirectory();
  // Adds frames to what waits; with `may_wait` after the disk has taken enough of it.
  void Add(bool may_wait, absl::FunctionRef<void(std::string& out)> append);
  void EndRecording(std::string_view why);  // under mutex_
  std::string TakeFilling();                // under mutex_
  // The writer's thread.
  void Run();
  absl::Status WriteFrames(std::string& frames);
  absl::Status OpenNextFile();
  absl::Status MakeRoom(uint64_t bytes);
  absl::Status WriteAll(std::string_view bytes);

  const Options options_;
  std::string run_directory_;
  uint64_t run_number_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable work_;   // something waits, or it is time to stop
  std::condition_variable space_;  // something was written
  std::vector<std::string> full_;
  std::string filling_;
  // Written ones, for their memory: the kernel zeroes each new page, which costs the loop more than
  // the copy into it.
  std::vector<std::string> spare_;
  size_t waiting_bytes_ = 0;
  std::string ended_;  // why nothing more is recorded; empty: it is
  bool stop_ = false;
  bool writing_ = false;

  // The writer's thread only.
  UniqueFd file_;
  uint32_t file_number_ = 0;
  uint64_t file_bytes_ = 0;
  uint64_t older_bytes_ = 0;
  uint64_t run_bytes_ = 0;
  uint32_t chain_ = 0;
  uint64_t run_id_ = 0;
  std::thread writer_;
};

}  // namespace tidemark
