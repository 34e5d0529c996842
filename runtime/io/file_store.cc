#include "runtime/io/file_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/status_macros.h"
#include "runtime/base/unique_fd.h"
#include "runtime/io/directory_view.h"

namespace tidemark {
namespace {

// Descriptors kept open; the least recently used is closed beyond it.
constexpr size_t kOpenFilesMax = 512;
// Zeros are written this far ahead of the data: small appends then rarely allocate blocks, and at
// most this much is written twice per file's growth of as much.
constexpr uint64_t kZeroAheadBytes = 256u << 10;
// Slices of one vectored write.
constexpr size_t kSlicesMax = 512;

absl::Status SystemError(const char* what, const std::string& path, int error) {
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  return absl::UnavailableError(message);
}

// An open file and how far its blocks are known to be written.
struct OpenFile {
  UniqueFd fd;
  std::string path;
  uint64_t written_to = 0;  // guarded by the engine's one-batch-per-group rule
  uint64_t size = 0;
};

absl::Status WriteAll(OpenFile& file, uint64_t pos, const std::vector<Bytes>& data) {
  std::array<iovec, kSlicesMax> slices;
  size_t next = 0;
  size_t skip = 0;  // bytes of data[next] already written
  while (next < data.size()) {
    size_t count = 0;
    for (size_t i = next; i < data.size() && count < slices.size(); ++i, ++count) {
      const size_t begin = i == next ? skip : 0;
      slices[count] = {const_cast<char*>(data[i].data()) + begin, data[i].size() - begin};
    }
    const ssize_t wrote =
        ::pwritev(file.fd.get(), slices.data(), static_cast<int>(count), static_cast<off_t>(pos));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return SystemError("cannot write", file.path, errno);
    }
    pos += static_cast<uint64_t>(wrote);
    size_t left = static_cast<size_t>(wrote);
    while (next < data.size() && left >= data[next].size() - skip) {
      left -= data[next].size() - skip;
      skip = 0;
      ++next;
    }
    skip += left;
  }
  return absl::OkStatus();
}

absl::Status WriteZeros(OpenFile& file, uint64_t begin, uint64_t end) {
  // Small calls: after large ones the kernel keeps large folios, and small writes into those are
  // six times slower.
  static constexpr std::array<char, 64 << 10> kZeros{};
  while (begin < end) {
    const size_t count = std::min<uint64_t>(kZeros.size(), end - begin);
    const ssize_t wrote = ::pwrite(file.fd.get(), kZeros.data(), count, static_cast<off_t>(begin));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return SystemError("cannot write", file.path, errno);
    }
    begin += static_cast<uint64_t>(wrote);
  }
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return SystemError("cannot sync directory", path, errno);
  }
  return absl::OkStatus();
}

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

struct FileStore::Impl {
  std::string root;
  UniqueFd lock;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> queue;
  bool stopping = false;
  std::vector<std::thread> threads;

  // Open descriptors, most recently used first.
  std::mutex files_mutex;
  std::list<std::pair<FileId, std::shared_ptr<OpenFile>>> open_files;
  std::map<FileId, decltype(open_files)::iterator> by_id;

  std::string FullPath(const FileId& file) const { return absl::StrCat(root, "/", PathOf(file)); }

  void Work() {
    for (;;) {
      std::function<void()> job;
      {
        std::unique_lock<std::mutex> hold(mutex);
        wake.wait(hold, [this] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        job = std::move(queue.front());
        queue.pop_front();
      }
      job();
    }
  }

  void Enqueue(std::function<void()> job) {
    {
      const std::lock_guard<std::mutex> hold(mutex);
      queue.push_back(std::move(job));
    }
    wake.notify_one();
  }

  void Forget(const FileId& file) {
    const std::lock_guard<std::mutex> hold(files_mutex);
    const auto found = by_id.find(file);
    if (found == by_id.end()) return;
    open_files.erase(found->second);
    by_id.erase(found);
  }

  void Remember(const FileId& file, std::shared_ptr<OpenFile> open) {
    const std::lock_guard<std::mutex> hold(files_mutex);
    if (const auto found = by_id.find(file); found != by_id.end()) {
      open_files.erase(found->second);
      by_id.erase(found);
    }
    open_files.emplace_front(file, std::move(open));
    by_id[file] = open_files.begin();
    while (open_files.size() > kOpenFilesMax) {
      by_id.erase(open_files.back().first);
      open_files.pop_back();
    }
  }

  absl::StatusOr<std::shared_ptr<OpenFile>> Get(const FileId& file) {
    {
      const std::lock_guard<std::mutex> hold(files_mutex);
      const auto found = by_id.find(file);
      if (found != by_id.end()) {
        open_files.splice(open_files.begin(), open_files, found->second);
        return found->second->second;
      }
    }
    auto open = std::make_shared<OpenFile>();
    open->path = FullPath(file);
    open->fd = UniqueFd(::open(open->path.c_str(), O_RDWR | O_CLOEXEC));
    struct stat info = {};
    if (!open->fd.valid() || ::fstat(open->fd.get(), &info) != 0) {
      return SystemError("cannot open", open->path, errno);
    }
    open->size = static_cast<uint64_t>(info.st_size);
    // Which blocks an earlier process wrote is unknown: zeros ahead begin at the first write.
    open->written_to = 0;
    Remember(file, open);
    return open;
  }

  absl::Status Apply(const CreateFile& create) {
    const std::string path = FullPath(create.file);
    const std::string folder = ParentOf(path);
    if (::mkdir(folder.c_str(), 0700) == 0) {
      TIDEMARK_RETURN_IF_ERROR(SyncDirectory(root));
    } else if (errno != EEXIST) {
      return SystemError("cannot create directory", folder, errno);
    }
    auto open = std::make_shared<OpenFile>();
    open->path = path;
    open->fd = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!open->fd.valid()) return SystemError("cannot create", path, errno);
    if (::ftruncate(open->fd.get(), static_cast<off_t>(create.zero_bytes)) != 0) {
      return SystemError("cannot size", path, errno);
    }
    open->size = create.zero_bytes;
    Remember(create.file, std::move(open));
    return absl::OkStatus();
  }

  absl::Status Apply(const WriteFile& write) {
    TIDEMARK_ASSIGN_OR_RETURN(std::shared_ptr<OpenFile> open, Get(write.file));
    uint64_t bytes = 0;
    for (const Bytes& slice : write.data) bytes += slice.size();
    const uint64_t end = write.pos.value() + bytes;
    // Only segments grow at their end and have nothing behind it.
    const bool grows = write.file.kind == FileKind::kSegment;
    if (grows && end > open->written_to && end < open->size && bytes < kZeroAheadBytes) {
      const uint64_t begin = std::max(open->written_to, end);
      const uint64_t ahead = std::min(end + kZeroAheadBytes, open->size);
      TIDEMARK_RETURN_IF_ERROR(WriteZeros(*open, begin, ahead));
      open->written_to = ahead;
    }
    open->written_to = std::max(open->written_to, end);
    open->size = std::max(open->size, end);
    return WriteAll(*open, write.pos.value(), write.data);
  }

  absl::Status Apply(const TruncateFile& truncate) {
    TIDEMARK_ASSIGN_OR_RETURN(std::shared_ptr<OpenFile> open, Get(truncate.file));
    if (::ftruncate(open->fd.get(), static_cast<off_t>(truncate.size)) != 0) {
      return SystemError("cannot truncate", open->path, errno);
    }
    open->size = truncate.size;
    open->written_to = std::min(open->written_to, truncate.size);
    return absl::OkStatus();
  }

  absl::Status Apply(const RemoveFile& remove) {
    Forget(remove.file);
    const std::string path = FullPath(remove.file);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return SystemError("cannot remove", path, errno);
    }
    return absl::OkStatus();
  }

  absl::Status Apply(const RenameFile& rename) {
    Forget(rename.from);
    Forget(rename.to);
    const std::string from = FullPath(rename.from);
    if (::rename(from.c_str(), FullPath(rename.to).c_str()) != 0) {
      return SystemError("cannot rename", from, errno);
    }
    return absl::OkStatus();
  }

  absl::Status Run(const FileBatch& batch) {
    std::set<std::string> folders;
    for (const FileOp& op : batch.ops) {
      TIDEMARK_RETURN_IF_ERROR(std::visit([this](const auto& o) { return Apply(o); }, op));
      if (const auto* create = std::get_if<CreateFile>(&op)) {
        folders.insert(ParentOf(FullPath(create->file)));
      } else if (const auto* remove = std::get_if<RemoveFile>(&op)) {
        folders.insert(ParentOf(FullPath(remove->file)));
      } else if (const auto* rename = std::get_if<RenameFile>(&op)) {
        folders.insert(ParentOf(FullPath(rename->from)));
        folders.insert(ParentOf(FullPath(rename->to)));
      }
    }
    for (const FileId& file : batch.sync) {
      TIDEMARK_ASSIGN_OR_RETURN(const std::shared_ptr<OpenFile> open, Get(file));
      if (::fdatasync(open->fd.get()) != 0) {
        const int error = errno;
        // The kernel may have dropped the pages and would report the next sync as a success.
        Forget(file);
        return SystemError("cannot sync", open->path, error);
      }
    }
    for (const std::string& folder : folders) TIDEMARK_RETURN_IF_ERROR(SyncDirectory(folder));
    return absl::OkStatus();
  }
};

FileStore::FileStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<FileStore>> FileStore::Open(const std::string& path, int threads) {
  auto impl = std::make_unique<Impl>();
  impl->root = path;
  while (impl->root.size() > 1 && impl->root.back() == '/') impl->root.pop_back();
  if (::mkdir(impl->root.c_str(), 0700) != 0 && errno != EEXIST) {
    return SystemError("cannot create the data directory", impl->root, errno);
  }
  const std::string lock_path = absl::StrCat(impl->root, "/LOCK");
  impl->lock = UniqueFd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!impl->lock.valid()) return SystemError("cannot open", lock_path, errno);
  if (::flock(impl->lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError("cannot lock", lock_path, errno);
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory ", impl->root,
        " is in use by another tidemark process; stop it or choose another directory"));
  }
  for (int i = 0; i < threads; ++i) {
    impl->threads.emplace_back([raw = impl.get()] { raw->Work(); });
  }
  return std::unique_ptr<FileStore>(new FileStore(std::move(impl)));
}

FileStore::~FileStore() {
  {
    const std::lock_guard<std::mutex> hold(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

absl::StatusOr<std::unique_ptr<DirectoryView>> FileStore::View() const {
  return MapDirectory(impl_->root);
}

void FileStore::Execute(FileBatch batch, std::function<void(absl::Status)> done) {
  impl_->Enqueue(
      [this, batch = std::move(batch), done = std::move(done)] { done(impl_->Run(batch)); });
}

absl::Status FileStore::ExecuteHere(const FileBatch& batch) { return impl_->Run(batch); }

void FileStore::Read(const FileId& file, FilePos pos, uint32_t length,
                     std::function<void(absl::StatusOr<Bytes>)> done) {
  absl::StatusOr<std::shared_ptr<OpenFile>> open = impl_->Get(file);
  if (!open.ok()) {
    done(open.status());
    return;
  }
  std::string buffer(length, '\0');
  iovec slice{buffer.data(), buffer.size()};
  const ssize_t got =
      ::preadv2((*open)->fd.get(), &slice, 1, static_cast<off_t>(pos.value()), RWF_NOWAIT);
  if (got == static_cast<ssize_t>(length)) {
    done(Bytes::From(std::move(buffer)));
    return;
  }
  impl_->Enqueue([open = *std::move(open), pos, buffer = std::move(buffer),
                  done = std::move(done)]() mutable {
    size_t filled = 0;
    while (filled < buffer.size()) {
      const ssize_t count = ::pread(open->fd.get(), buffer.data() + filled, buffer.size() - filled,
                                    static_cast<off_t>(pos.value() + filled));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        done(count == 0 ? absl::DataLossError(absl::StrCat(open->path, " ends before byte ",
                                                           pos.value() + buffer.size()))
                        : SystemError("cannot read", open->path, errno));
        return;
      }
      filled += static_cast<size_t>(count);
    }
    done(Bytes::From(std::move(buffer)));
  });
}

absl::StatusOr<FileStore::Space> FileStore::DiskSpace() const {
  struct statvfs info = {};
  if (::statvfs(impl_->root.c_str(), &info) != 0) {
    return SystemError("cannot measure", impl_->root, errno);
  }
  return Space{.free_bytes = uint64_t{info.f_bavail} * info.f_frsize,
               .total_bytes = uint64_t{info.f_blocks} * info.f_frsize};
}

const std::string& FileStore::path() const { return impl_->root; }

}  // namespace tidemark
