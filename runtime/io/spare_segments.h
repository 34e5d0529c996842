#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/io/open_file.h"

namespace tidemark {

// Segments kept ready: files of the size segments have, full of zeros that are on the disk, so that
// beginning a segment is a rename and no sync in it changes metadata of the file system.
//
// They are removed segments where there are some, new files otherwise, and written by a thread of
// their own that leaves the device free most of the time. They live in `recycled/` of the data
// directory, whose contents mean nothing to anybody: opening deletes them.
//   Bounds  kSpareFilesMax files of one size, the one asked for last. None while the file system
//   has
//           little space; their space counts as used until then.
//   Threads  any.
class SpareSegments {
 public:
  static constexpr size_t kSpareFilesMax = 2;

  // Empties `root`/recycled or creates it.
  static absl::StatusOr<std::unique_ptr<SpareSegments>> Open(const std::string& root);
  ~SpareSegments();
  SpareSegments(const SpareSegments&) = delete;
  SpareSegments& operator=(const SpareSegments&) = delete;

  // A segment of `bytes` will be begun before long: has one made ready.
  void Want(uint64_t bytes);

  // Gives a spare of `bytes` the name `path`; null if none is ready or the rename fails. The caller
  // syncs the directory.
  std::shared_ptr<OpenFile> Take(uint64_t bytes, const std::string& path);

  // If there is use for the file, moves it away, which ends its name like unlink, and returns true.
  // The caller has seen to it that nobody can open it by its name any more, makes the directory
  // durable and then calls Reuse, in any case.
  bool Retire(OpenFile& file);
  // Overwrites a retired file once nobody else has it (a read may be under way). `removed`: that
  // its name is gone is durable; otherwise a crash could bring the name back, which must not find
  // zeros then, so the file is deleted instead.
  void Reuse(std::shared_ptr<OpenFile> file, bool removed);

  // Deletes the spares; true if there was one. Space is needed for something better.
  bool Drop();
  // Like Drop, on the thread behind, if `free_bytes` are few.
  void OnFreeSpace(uint64_t free_bytes);

  // Waits until nothing wanted is missing (or could not be made).
  void WaitUntilIdle();
  size_t ready_count();

 private:
  explicit SpareSegments(std::string folder);

  void Work();
  // Makes one spare; called and returns with `hold` held, releases it meanwhile.
  void Prepare(std::unique_lock<std::mutex>& hold);
  absl::Status Fill(OpenFile& file, uint64_t bytes);
  // These need mutex_.
  bool Enough(uint64_t free_bytes) const;
  bool HasWork() const;
  std::string NextName();
  std::vector<std::shared_ptr<OpenFile>> TakeAll();

  const std::string folder_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  bool stopping_ = false;
  bool dropping_ = false;
  bool preparing_ = false;
  uint64_t bytes_ = 0;        // of each spare; 0: nobody asked yet
  size_t wanted_ = 0;         // spares that should be ready
  size_t retired_count_ = 0;  // moved away, not yet handed to Reuse
  uint64_t next_name_ = 1;
  std::deque<std::shared_ptr<OpenFile>> used_;    // still hold what they held
  std::vector<std::shared_ptr<OpenFile>> ready_;  // zeros, durable
  std::thread thread_;
};

}  // namespace tidemark
