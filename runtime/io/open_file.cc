#include "runtime/io/open_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace tidemark {
namespace {

// Zeros ahead of the data: as much again as the file holds, within these. The sync that carries the
// zeros takes about 0.4 ms for each 512 KiB: at the upper bound, one small append of 256 at most.
constexpr uint64_t kFillBytesMin = 256u << 10;
constexpr uint64_t kFillBytesMax = 1u << 20;
// Slices of one vectored write.
constexpr size_t kSlicesMax = 512;
// The mean append follows the last few.
constexpr uint64_t kMeanWeight = 8;

}  // namespace

absl::Status SystemError(const char* what, const std::string& path, int error) {
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(
          absl::StrCat(message, "; free space on this file system or raise the quota"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return SystemError("cannot sync directory", path, errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<OpenFile>> OpenFile::Open(std::string path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct stat info = {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) return SystemError("cannot open", path, errno);
  return std::shared_ptr<OpenFile>(
      new OpenFile(std::move(fd), std::move(path), static_cast<uint64_t>(info.st_size)));
}

absl::StatusOr<std::shared_ptr<OpenFile>> OpenFile::Create(std::string path, uint64_t size) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return SystemError("cannot create", path, errno);
  std::shared_ptr<OpenFile> file(new OpenFile(std::move(fd), std::move(path), 0));
  TIDEMARK_RETURN_IF_ERROR(file->Resize(size));
  file->filled_to_ = 0;
  return file;
}

absl::Status OpenFile::Write(FilePos pos, const std::vector<Bytes>& data) {
  std::array<iovec, kSlicesMax> slices;
  uint64_t at = pos.value();
  size_t next = 0;
  size_t skip = 0;  // bytes of data[next] already written
  while (next < data.size()) {
    size_t count = 0;
    for (size_t i = next; i < data.size() && count < slices.size(); ++i, ++count) {
      const size_t begin = i == next ? skip : 0;
      slices[count] = {const_cast<char*>(data[i].data()) + begin, data[i].size() - begin};
    }
    const ssize_t wrote =
        ::pwritev(fd_.get(), slices.data(), static_cast<int>(count), static_cast<off_t>(at));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return SystemError("cannot write", path_, errno);
    }
    at += static_cast<uint64_t>(wrote);
    size_t left = static_cast<size_t>(wrote);
    while (next < data.size() && left >= data[next].size() - skip) {
      left -= data[next].size() - skip;
      skip = 0;
      ++next;
    }
    skip += left;
  }
  size_ = std::max(size_, at);
  if (filled_to_.has_value()) filled_to_ = std::max(*filled_to_, at);
  return absl::OkStatus();
}

absl::Status OpenFile::WriteZeros(uint64_t begin, uint64_t end) {
  const bool continues = filled_to_.has_value() && begin <= *filled_to_;
  // Small calls: after large ones the kernel keeps large folios, and small writes into those are
  // six times slower.
  static constexpr std::array<char, 64 << 10> kZeros{};
  while (begin < end) {
    const size_t count = std::min<uint64_t>(kZeros.size(), end - begin);
    const ssize_t wrote = ::pwrite(fd_.get(), kZeros.data(), count, static_cast<off_t>(begin));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return SystemError("cannot write", path_, errno);
    }
    begin += static_cast<uint64_t>(wrote);
  }
  size_ = std::max(size_, end);
  if (continues) filled_to_ = std::max(*filled_to_, end);
  return absl::OkStatus();
}

absl::Status OpenFile::Resize(uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
    return SystemError("cannot resize", path_, errno);
  }
  size_ = size;
  filled_to_.reset();
  return absl::OkStatus();
}

absl::Status OpenFile::Sync() {
  if (::fdatasync(fd_.get()) != 0) return SystemError("cannot sync", path_, errno);
  return absl::OkStatus();
}

void OpenFile::StartSync() {
  // What goes wrong here is reported by Sync.
  (void)::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
}

absl::Status OpenFile::WriteOut(uint64_t begin, uint64_t end) {
  if (::sync_file_range(fd_.get(), static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                        SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0) {
    return SystemError("cannot write", path_, errno);
  }
  return absl::OkStatus();
}

absl::Status OpenFile::Read(FilePos pos, char* to, size_t count) {
  size_t filled = 0;
  while (filled < count) {
    const ssize_t got =
        ::pread(fd_.get(), to + filled, count - filled, static_cast<off_t>(pos.value() + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("cannot read", path_, errno);
    if (got == 0) {
      return absl::DataLossError(
          absl::StrCat(path_, " ends before byte ", pos.value() + count, ": it was cut short"));
    }
    filled += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

bool OpenFile::ReadCached(FilePos pos, char* to, size_t count) {
  const iovec slice{to, count};
  return ::preadv2(fd_.get(), &slice, 1, static_cast<off_t>(pos.value()), RWF_NOWAIT) ==
         static_cast<ssize_t>(count);
}

void OpenFile::FillAhead(uint64_t begin, uint64_t end) {
  if (end >= size_) return;
  if (!filled_to_.has_value()) {
    // An earlier process may have written zeros, or this file was closed meanwhile. Space that is
    // allocated but was never written is a hole here: a write there changes metadata, too.
    const off_t hole = ::lseek(fd_.get(), static_cast<off_t>(begin), SEEK_HOLE);
    filled_to_ = hole < 0 ? size_ : static_cast<uint64_t>(hole);
  }
  if (end <= *filled_to_) return;
  const uint64_t target = std::min(size_, end + std::clamp(end, kFillBytesMin, kFillBytesMax));
  // No second try in this file: the space is needed for data now.
  filled_to_ = WriteZeros(end, target).ok() ? target : size_;
}

void OpenFile::NoteAppend(uint64_t bytes) {
  mean_append_ =
      mean_append_.has_value() ? (*mean_append_ * (kMeanWeight - 1) + bytes) / kMeanWeight : bytes;
}

}  // namespace tidemark
