#include "runtime/io/spare_segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace tidemark {
namespace {

// Written out at a time, then the thread waits kRestFactor times as long as that took: syncs of
// others meet a busy device one time in five at most, and wait for one such step.
constexpr uint64_t kStepBytes = 256u << 10;
constexpr int kRestFactor = 4;
// While a reader still has a retired file.
constexpr std::chrono::milliseconds kReaderWait(5);
// Spares are not kept where the file system has no space for this many segments.
constexpr uint64_t kFreeSegmentsMin = 8;

absl::Status EmptyFolder(const std::string& folder) {
  DIR* directory = ::opendir(folder.c_str());
  if (directory == nullptr) return SystemError("cannot list", folder, errno);
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string path = absl::StrCat(folder, "/", name);
    if (::unlink(path.c_str()) != 0) {
      const int error = errno;
      ::closedir(directory);
      return SystemError("cannot remove", path, error);
    }
  }
  ::closedir(directory);
  return absl::OkStatus();
}

uint64_t FreeBytes(const std::string& path) {
  struct statvfs info = {};
  if (::statvfs(path.c_str(), &info) != 0) return 0;
  return uint64_t{info.f_bavail} * info.f_frsize;
}

void Unlink(const std::vector<std::shared_ptr<OpenFile>>& files) {
  for (const std::shared_ptr<OpenFile>& file : files) ::unlink(file->path().c_str());
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpareSegments>> SpareSegments::Open(const std::string& root) {
  const std::string folder = absl::StrCat(root, "/recycled");
  if (::mkdir(folder.c_str(), 0700) != 0) {
    if (errno != EEXIST) return SystemError("cannot create directory", folder, errno);
    TIDEMARK_RETURN_IF_ERROR(EmptyFolder(folder));
  }
  return std::unique_ptr<SpareSegments>(new SpareSegments(folder));
}

SpareSegments::SpareSegments(std::string folder)
    : folder_(std::move(folder)), thread_([this] { Work(); }) {}

SpareSegments::~SpareSegments() {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool SpareSegments::Enough(uint64_t free_bytes) const {
  return bytes_ > 0 && free_bytes / kFreeSegmentsMin >= bytes_;
}

void SpareSegments::Want(uint64_t bytes) {
  std::vector<std::shared_ptr<OpenFile>> stale;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (bytes_ != bytes) {
      stale = TakeAll();
      wanted_ = 0;
      bytes_ = bytes;
    }
    wanted_ = std::min(wanted_ + 1, kSpareFilesMax);
  }
  wake_.notify_all();
  Unlink(stale);
}

std::shared_ptr<OpenFile> SpareSegments::Take(uint64_t bytes, const std::string& path) {
  std::shared_ptr<OpenFile> file;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (bytes != bytes_ || ready_.empty()) return nullptr;
    file = std::move(ready_.back());
    ready_.pop_back();
    if (wanted_ > 0) --wanted_;
  }
  if (::renameat2(AT_FDCWD, file->path().c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
    ::unlink(file->path().c_str());
    return nullptr;
  }
  file->set_path(path);
  return file;
}

bool SpareSegments::Retire(OpenFile& file) {
  std::string path;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    const size_t held = ready_.size() + used_.size() + retired_count_ + (preparing_ ? 1 : 0);
    if (file.size() != bytes_ || held >= kSpareFilesMax || !Enough(FreeBytes(folder_))) {
      return false;
    }
    ++retired_count_;
    path = NextName();
  }
  if (::rename(file.path().c_str(), path.c_str()) != 0) {
    const std::lock_guard<std::mutex> hold(mutex_);
    --retired_count_;
    return false;
  }
  file.set_path(std::move(path));
  return true;
}

void SpareSegments::Reuse(std::shared_ptr<OpenFile> file, bool removed) {
  std::vector<std::shared_ptr<OpenFile>> stale;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    --retired_count_;
    if (removed && file->size() == bytes_) {
      used_.push_back(std::move(file));
    } else {
      stale.push_back(std::move(file));
    }
  }
  wake_.notify_all();
  Unlink(stale);
}

bool SpareSegments::Drop() {
  std::vector<std::shared_ptr<OpenFile>> files;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    files = TakeAll();
    wanted_ = 0;
  }
  Unlink(files);
  return !files.empty();
}

void SpareSegments::OnFreeSpace(uint64_t free_bytes) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (Enough(free_bytes) || (ready_.empty() && used_.empty())) return;
    dropping_ = true;
  }
  wake_.notify_all();
}

void SpareSegments::WaitUntilIdle() {
  std::unique_lock<std::mutex> hold(mutex_);
  idle_.wait(hold, [this] { return !HasWork() && !preparing_; });
}

size_t SpareSegments::ready_count() {
  const std::lock_guard<std::mutex> hold(mutex_);
  return ready_.size();
}

std::vector<std::shared_ptr<OpenFile>> SpareSegments::TakeAll() {
  std::vector<std::shared_ptr<OpenFile>> files = std::move(ready_);
  files.insert(files.end(), used_.begin(), used_.end());
  ready_.clear();
  used_.clear();
  return files;
}

std::string SpareSegments::NextName() { return absl::StrCat(folder_, "/", next_name_++); }

bool SpareSegments::HasWork() const { return dropping_ || ready_.size() < wanted_; }

void SpareSegments::Work() {
  std::unique_lock<std::mutex> hold(mutex_);
  for (;;) {
    if (!HasWork()) idle_.notify_all();
    wake_.wait(hold, [this] { return stopping_ || HasWork(); });
    if (stopping_) return;
    if (dropping_) {
      const std::vector<std::shared_ptr<OpenFile>> files = TakeAll();
      wanted_ = 0;
      dropping_ = false;
      hold.unlock();
      Unlink(files);
      hold.lock();
    } else {
      Prepare(hold);
    }
  }
}

void SpareSegments::Prepare(std::unique_lock<std::mutex>& hold) {
  std::shared_ptr<OpenFile> file;
  if (!used_.empty()) {
    // Its name is gone, so nobody can get hold of it any more; who still has it is reading.
    if (used_.front().use_count() > 1) {
      wake_.wait_for(hold, kReaderWait, [this] { return stopping_ || dropping_; });
      return;
    }
    file = std::move(used_.front());
    used_.pop_front();
  }
  const uint64_t bytes = bytes_;
  const std::string path = NextName();
  preparing_ = true;
  hold.unlock();
  absl::Status status;
  if (file == nullptr) {
    absl::StatusOr<std::shared_ptr<OpenFile>> created =
        FreeBytes(folder_) / kFreeSegmentsMin >= bytes
            ? OpenFile::Create(path, bytes)
            : absl::ResourceExhaustedError("the file system is nearly full");
    status = created.status();
    if (created.ok()) file = *std::move(created);
  }
  if (status.ok()) status = Fill(*file, bytes);
  hold.lock();
  preparing_ = false;
  if (status.ok() && bytes == bytes_ && !dropping_) {
    ready_.push_back(std::move(file));
    return;
  }
  // Not asked again before the next Want: whatever is wrong will not have gone by then.
  if (!status.ok()) wanted_ = std::min(wanted_, ready_.size());
  if (file != nullptr) {
    hold.unlock();
    ::unlink(file->path().c_str());
    file.reset();
    hold.lock();
  }
}

absl::Status SpareSegments::Fill(OpenFile& file, uint64_t bytes) {
  for (uint64_t begin = 0; begin < bytes; begin += kStepBytes) {
    const auto started = std::chrono::steady_clock::now();
    const uint64_t end = std::min(begin + kStepBytes, bytes);
    TIDEMARK_RETURN_IF_ERROR(file.WriteZeros(begin, end));
    TIDEMARK_RETURN_IF_ERROR(file.WriteOut(begin, end));
    const auto rest = kRestFactor * (std::chrono::steady_clock::now() - started);
    std::unique_lock<std::mutex> hold(mutex_);
    if (wake_.wait_for(hold, rest, [this] { return stopping_ || dropping_; })) {
      return absl::CancelledError("the spare is not wanted any more");
    }
  }
  return file.Sync();
}

}  // namespace tidemark
