#include "runtime/node/recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/base/status_macros.h"
#include "runtime/base/last_wish.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"

namespace tidemark {
namespace {

namespace fs = std::filesystem;

// What is written at once, if there is so much.
constexpr size_t kChunkBytes = 1u << 20;
// Buffers kept for the next frames.
constexpr size_t kSpareMax = 8;
// Frames are gathered for so long: what a killed process takes with it.
constexpr std::chrono::milliseconds kGather(10);
constexpr std::string_view kRunPrefix = "run-";
// How long the end of a process is held up for its last step.
constexpr std::chrono::milliseconds kLastWish(1000);

// Whether this thread holds a recorder's lock.
thread_local bool inside = false;

absl::Status Failed(const char* what, const std::string& path, int error) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(error)));
}

// Calls `visit` with each entry of `directory`; what cannot be listed is left out.
template <typename Visit>
void ForEachEntry(const fs::path& directory, Visit visit) {
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    visit(*at);
  }
}

// The runs below `directory`, oldest first. Names of others are left alone.
std::vector<std::pair<uint64_t, fs::path>> RunsIn(const std::string& directory) {
  std::vector<std::pair<uint64_t, fs::path>> runs;
  ForEachEntry(directory, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    uint64_t number = 0;
    if (name.starts_with(kRunPrefix) && absl::SimpleAtoi(name.substr(kRunPrefix.size()), &number)) {
      runs.emplace_back(number, entry.path());
    }
  });
  std::sort(runs.begin(), runs.end());
  return runs;
}

uint64_t BytesIn(const fs::path& run) {
  uint64_t bytes = 0;
  ForEachEntry(run, [&](const fs::directory_entry& entry) {
    std::error_code error;
    const uint64_t size = entry.file_size(error);
    if (!error) bytes += size;
  });
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Recorder>> Recorder::Open(Options options) {
  std::unique_ptr<Recorder> recorder(new Recorder(std::move(options)));
  TIDEMARK_RETURN_IF_ERROR(recorder->MakeRunDirectory());
  recorder->run_id_ = SecureRandom64();
  recorder->writer_ = std::thread([recorder = recorder.get()] { recorder->Run(); });
  SetLastWish([recorder = recorder.get()] { recorder->WriteOut(); });
  return recorder;
}

absl::Status Recorder::MakeRunDirectory() {
  const std::string& directory = options_.directory;
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Failed("make the folder of recordings", directory, errno);
  }
  for (const auto& [number, path] : RunsIn(directory)) {
    run_number_ = number;
    older_bytes_ += BytesIn(path);
  }
  do {
    ++run_number_;
    run_directory_ = absl::StrFormat("%s/%s%08d", directory, kRunPrefix, run_number_);
  } while (::mkdir(run_directory_.c_str(), 0700) != 0 && errno == EEXIST);
  struct stat info = {};
  if (::stat(run_directory_.c_str(), &info) != 0) {
    return Failed("make the folder of this recording", run_directory_, errno);
  }
  return absl::OkStatus();
}

Recorder::~Recorder() {
  SetLastWish(nullptr);
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (ended_.empty() && writer_.joinable()) {
      journal::AppendEnd(filling_, "the server stopped");
    }
    stop_ = true;
  }
  work_.notify_one();
  if (writer_.joinable()) writer_.join();
}

bool Recorder::recording() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return ended_.empty();
}

void Recorder::Begin(const journal::Begin& begin, const journal::RecordingView& files) {
  Add(true, [&](std::string& out) { journal::AppendBegin(out, begin); });
  files.Encode([this](const std::string& frames) {
    Add(true, [&](std::string& out) { out.append(frames); });
  });
}

void Recorder::BeforeStep(Now now, std::span<const Event> events,
                          std::span<const std::unique_ptr<journal::ReopenRecord>> reopened) {
  Add(false, [&](std::string& out) { journal::AppendTold(out, now, events, reopened); });
}

void Recorder::AfterStep(std::span<const Effect> effects, Instant next_deadline) {
  Add(false, [&](std::string& out) { journal::AppendEffects(out, effects, next_deadline); });
}

void Recorder::Add(bool may_wait, absl::FunctionRef<void(std::string& out)> append) {
  bool wake = false;
  {
    std::unique_lock<std::mutex> hold(mutex_);
    if (may_wait) {
      space_.wait(hold, [this] {
        return waiting_bytes_ < options_.waiting_bytes_max / 2 || !ended_.empty();
      });
    }
    if (!ended_.empty()) return;
    const size_t before = filling_.size();
    const bool was_small = waiting_bytes_ < kChunkBytes;
    const bool was_idle = waiting_bytes_ == 0;
    inside = true;
    append(filling_);
    inside = false;
    waiting_bytes_ += filling_.size() - before;
    wake = was_idle || (was_small && waiting_bytes_ >= kChunkBytes);
    if (waiting_bytes_ > options_.waiting_bytes_max) {
      EndRecording("the disk is too slow: too much waits to be written");
      return;
    }
    if (filling_.size() >= kChunkBytes) full_.push_back(TakeFilling());
  }
  if (wake) work_.notify_one();
}

std::string Recorder::TakeFilling() {
  std::string next;
  if (!spare_.empty()) {
    next = std::move(spare_.back());
    spare_.pop_back();
  }
  next.clear();
  next.reserve(kChunkBytes + kChunkBytes / 4);
  return std::exchange(filling_, std::move(next));
}

void Recorder::WriteOut() {
  if (inside) return;
  std::unique_lock<std::mutex> hold(mutex_);
  work_.notify_one();
  space_.wait_for(hold, kLastWish, [this] { return waiting_bytes_ == 0 && !writing_; });
}

void Recorder::EndRecording(std::string_view why) {
  ended_ = why;
  journal::AppendEnd(filling_, why);
  Log(LogLevel::kError, "recording_ended",
      {{"reason", why},
       {"journal", run_directory_},
       {"hint", "the node goes on; what was recorded until now can be replayed"}});
  space_.notify_all();
}

void Recorder::Run() {
  inside = true;
  std::unique_lock<std::mutex> hold(mutex_);
  bool failed = false;
  for (;;) {
    work_.wait(hold, [this] { return waiting_bytes_ > 0 || stop_; });
    work_.wait_for(hold, kGather, [this] { return waiting_bytes_ >= kChunkBytes || stop_; });
    const bool last = stop_;
    std::vector<std::string> frames = std::exchange(full_, {});
    if (!filling_.empty()) frames.push_back(TakeFilling());
    waiting_bytes_ = 0;
    writing_ = true;
    hold.unlock();
    space_.notify_all();
    absl::Status status;
    for (std::string& each : frames) {
      if (!failed && status.ok()) status = WriteFrames(each);
    }
    hold.lock();
    writing_ = false;
    space_.notify_all();
    for (std::string& each : frames) {
      const bool usual = each.capacity() <= 2 * kChunkBytes;
      if (usual && spare_.size() < kSpareMax) spare_.push_back(std::move(each));
    }
    if (!status.ok() && !failed) {
      failed = true;
      // What came after the frames that were not written means nothing without them.
      full_.clear();
      filling_.clear();
      waiting_bytes_ = 0;
      EndRecording(std::string(status.message()));
      std::string end = std::exchange(filling_, {});
      // A bound leaves room for the reason, a disk that failed may not.
      if (absl::IsResourceExhausted(status) && file_.valid()) {
        journal::Seal(end, chain_);
        (void)WriteAll(end);
      }
    }
    if (last) return;
  }
}

absl::Status Recorder::WriteFrames(std::string& frames) {
  TIDEMARK_RETURN_IF_ERROR(MakeRoom(frames.size()));
  if (!file_.valid() || file_bytes_ >= options_.file_bytes) {
    TIDEMARK_RETURN_IF_ERROR(OpenNextFile());
  }
  journal::Seal(frames, chain_);
  return WriteAll(frames);
}

absl::Status Recorder::OpenNextFile() {
  const std::string path = absl::StrFormat("%s/%08d.journal", run_directory_, ++file_number_);
  file_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file_.valid()) return Failed("create", path, errno);
  file_bytes_ = 0;
  return WriteAll(
      journal::EncodeFileHeader({.run = run_id_, .number = file_number_, .chain = chain_}));
}

absl::Status Recorder::MakeRoom(uint64_t bytes) {
  bytes += journal::kFileHeaderBytes;
  if (older_bytes_ + run_bytes_ + bytes <= options_.bytes_max) return absl::OkStatus();
  for (const auto& [number, path] : RunsIn(options_.directory)) {
    if (number >= run_number_ || older_bytes_ + run_bytes_ + bytes <= options_.bytes_max) break;
    older_bytes_ -= std::min(older_bytes_, BytesIn(path));
    std::error_code error;
    fs::remove_all(path, error);
    Log(LogLevel::kInfo, "recording_removed", {{"journal", path.string()}});
  }
  if (older_bytes_ + run_bytes_ + bytes <= options_.bytes_max) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("this run has taken all of record_bytes_max (", options_.bytes_max, ")"));
}

absl::Status Recorder::WriteAll(std::string_view bytes) {
  const uint64_t begin = file_bytes_;
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const absl::Status status = Failed("write the journal below", run_directory_, errno);
      // Whole frames only, if that much is possible; a part of one is no harm.
      (void)::ftruncate(file_.get(), static_cast<off_t>(begin));
      return status;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
    file_bytes_ += static_cast<uint64_t>(written);
    run_bytes_ += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

}  // namespace tidemark
