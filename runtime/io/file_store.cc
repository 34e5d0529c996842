#include "runtime/io/file_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "runtime/base/unique_fd.h"
#include "runtime/io/directory_view.h"
#include "runtime/io/file_table.h"
#include "runtime/io/open_file.h"
#include "runtime/io/spare_segments.h"

namespace tidemark {
namespace {

constexpr size_t kOpenFilesMin = 64;

size_t OpenFilesMax() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kOpenFilesMin;
  return std::clamp<size_t>(limit.rlim_cur / 2, kOpenFilesMin, FileStore::kOpenFilesMax);
}

// Files and directories that are made durable side by side: each is claimed by one thread.
class Barrier {
 public:
  using Files = absl::InlinedVector<std::shared_ptr<OpenFile>, 4>;

  Barrier(Files files, std::vector<std::string> folders)
      : files_(std::move(files)), folders_(std::move(folders)) {}

  size_t size() const { return files_.size() + folders_.size(); }

  // Hands the data to the device; then the syncs have less to wait for, one after the other, too.
  void Start() {
    for (const std::shared_ptr<OpenFile>& file : files_) file->StartSync();
  }

  // Syncs what nobody has claimed yet.
  void Help() {
    for (size_t i = next_.fetch_add(1); i < size(); i = next_.fetch_add(1)) {
      absl::Status synced =
          i < files_.size() ? files_[i]->Sync() : SyncDirectory(folders_[i - files_.size()]);
      const std::lock_guard<std::mutex> hold(mutex_);
      status_.Update(std::move(synced));
      if (++done_ == size()) changed_.notify_all();
    }
  }

  // Of the first that failed.
  absl::Status Wait() {
    std::unique_lock<std::mutex> hold(mutex_);
    changed_.wait(hold, [this] { return done_ == size(); });
    return status_;
  }

 private:
  const Files files_;
  const std::vector<std::string> folders_;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t done_ = 0;
  absl::Status status_;
};

}  // namespace

struct FileStore::Impl {
  explicit Impl(std::string path) : root(std::move(path)), files(root, OpenFilesMax()) {}

  const std::string root;
  UniqueFd lock;
  FileTable files;
  std::unique_ptr<SpareSegments> spares;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> queue;
  bool stopping = false;
  std::vector<std::thread> threads;

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

  // What the operations of one batch leave to be done.
  struct Run {
    std::vector<std::string> folders;  // whose names changed
    std::vector<std::shared_ptr<OpenFile>> retired;

    void AddFolder(std::string folder) {
      if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
        folders.push_back(std::move(folder));
      }
    }
  };

  absl::Status Apply(const CreateFile& create, Run& run) {
    const std::string folder = files.FolderOf(create.file);
    if (::mkdir(folder.c_str(), 0700) == 0) {
      run.AddFolder(root);
    } else if (errno != EEXIST) {
      return SystemError("cannot create directory", folder, errno);
    }
    run.AddFolder(folder);
    // The appends of a group go on as they did in its last segment, if that is known.
    std::shared_ptr<OpenFile> previous;
    if (create.file.kind == FileKind::kSegment && create.file.number > 1) {
      previous = files.Peek({create.file.group, FileKind::kSegment, create.file.number - 1});
    }
    std::shared_ptr<OpenFile> open;
    if (previous != nullptr &&
        previous->mean_append().value_or(UINT64_MAX) <= kSmallAppendBytesMax) {
      open = spares->Take(create.zero_bytes, files.PathTo(create.file));
    }
    if (open == nullptr) {
      TIDEMARK_ASSIGN_OR_RETURN(open,
                                OpenFile::Create(files.PathTo(create.file), create.zero_bytes));
    }
    if (previous != nullptr) open->set_mean_append(previous->mean_append());
    files.Put(create.file, std::move(open));
    return absl::OkStatus();
  }

  absl::Status Apply(const WriteFile& write, Run&) {
    TIDEMARK_ASSIGN_OR_RETURN(const std::shared_ptr<OpenFile> open, files.Get(write.file));
    // Only segments are written front to back and have nothing behind. Their first block is no
    // append.
    const bool append = write.file.kind == FileKind::kSegment && write.pos > FilePos(0);
    if (append) PrepareAppend(write, *open);
    absl::Status status = open->Write(write.pos, write.data);
    // Space kept for later is needed now.
    if (absl::IsResourceExhausted(status) && spares->Drop()) {
      status = open->Write(write.pos, write.data);
    }
    return status;
  }

  void PrepareAppend(const WriteFile& write, OpenFile& open) {
    uint64_t bytes = 0;
    for (const Bytes& slice : write.data) bytes += slice.size();
    const uint64_t end = write.pos.value() + bytes;
    open.NoteAppend(bytes);
    if (*open.mean_append() > kSmallAppendBytesMax) return;
    if (bytes <= kSmallAppendBytesMax) open.FillAhead(write.pos.value(), end);
    // Half a segment is time enough to prepare the next one.
    const uint64_t half = open.size() / 2;
    if (write.pos.value() < half && end >= half) spares->Want(open.size());
  }

  absl::Status Apply(const TruncateFile& truncate, Run&) {
    TIDEMARK_ASSIGN_OR_RETURN(const std::shared_ptr<OpenFile> open, files.Get(truncate.file));
    return open->Resize(truncate.size);
  }

  absl::Status Apply(const RemoveFile& remove, Run& run) {
    run.AddFolder(files.FolderOf(remove.file));
    return files.Remove(remove.file, [&](std::shared_ptr<OpenFile> open) -> absl::Status {
      const std::string path = files.PathTo(remove.file);
      if (remove.file.kind == FileKind::kSegment && open == nullptr) {
        if (auto opened = OpenFile::Open(path); opened.ok()) open = *std::move(opened);
      }
      if (remove.file.kind == FileKind::kSegment && open != nullptr && spares->Retire(*open)) {
        run.retired.push_back(std::move(open));
        return absl::OkStatus();
      }
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return SystemError("cannot remove", path, errno);
      }
      return absl::OkStatus();
    });
  }

  absl::Status Apply(const RenameFile& rename, Run& run) {
    run.AddFolder(files.FolderOf(rename.from));
    run.AddFolder(files.FolderOf(rename.to));
    return files.Rename(rename.from, rename.to);
  }

  // Calls `visit` with each file that `batch` changes or syncs, those it removes excepted.
  template <typename Visit>
  static void ForEachFile(const FileBatch& batch, Visit visit) {
    for (const FileOp& op : batch.ops) {
      if (const auto* create = std::get_if<CreateFile>(&op)) {
        visit(create->file);
      } else if (const auto* write = std::get_if<WriteFile>(&op)) {
        visit(write->file);
      } else if (const auto* truncate = std::get_if<TruncateFile>(&op)) {
        visit(truncate->file);
      } else if (const auto* rename = std::get_if<RenameFile>(&op)) {
        visit(rename->from);
        visit(rename->to);
      }
    }
    for (const FileId& file : batch.sync) visit(file);
  }

  absl::Status Execute(const FileBatch& batch) {
    absl::Status status;
    ForEachFile(batch, [&](const FileId& file) { status.Update(files.CheckNotFailed(file)); });
    if (!status.ok()) return status;
    Run run;
    status = ApplyAndSync(batch, run);
    if (!status.ok()) {
      ForEachFile(batch, [&](const FileId& file) { files.Fail(file); });
    }
    for (std::shared_ptr<OpenFile>& file : run.retired) {
      spares->Reuse(std::move(file), /*removed=*/status.ok());
    }
    return status;
  }

  static bool IsAppend(const FileBatch& batch) {
    return batch.sync.size() == 1 &&
           std::all_of(batch.ops.begin(), batch.ops.end(),
                       [](const FileOp& op) { return std::holds_alternative<WriteFile>(op); });
  }

  absl::Status ApplyAndSync(const FileBatch& batch, Run& run) {
    // The common flush: frames to be synced, and an entry of the index that is not. The device gets
    // the frames first and is at work while the rest is written.
    if (IsAppend(batch)) {
      const FileId& synced = batch.sync.front();
      TIDEMARK_ASSIGN_OR_RETURN(const std::shared_ptr<OpenFile> open, files.Get(synced));
      for (const bool now : {true, false}) {
        for (const FileOp& op : batch.ops) {
          const WriteFile& write = std::get<WriteFile>(op);
          if ((write.file == synced) == now) TIDEMARK_RETURN_IF_ERROR(Apply(write, run));
        }
        if (now && batch.ops.size() > 1) open->StartSync();
      }
      return open->Sync();
    }
    for (const FileOp& op : batch.ops) {
      TIDEMARK_RETURN_IF_ERROR(std::visit([&](const auto& o) { return Apply(o, run); }, op));
    }
    Barrier::Files to_sync;
    for (const FileId& file : batch.sync) {
      TIDEMARK_ASSIGN_OR_RETURN(std::shared_ptr<OpenFile> open, files.Get(file));
      to_sync.push_back(std::move(open));
    }
    if (to_sync.empty() && run.folders.empty()) return absl::OkStatus();
    if (to_sync.size() == 1 && run.folders.empty()) return to_sync.front()->Sync();
    // Shared with helpers that may come when all is done.
    const auto barrier = std::make_shared<Barrier>(std::move(to_sync), std::move(run.folders));
    barrier->Start();
    // Whoever is free helps; if nobody is, nothing waits for them.
    for (size_t i = 1; i < barrier->size(); ++i) Enqueue([barrier] { barrier->Help(); });
    barrier->Help();
    return barrier->Wait();
  }
};

FileStore::FileStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<FileStore>> FileStore::Open(const std::string& path, int threads) {
  std::string root = path;
  while (root.size() > 1 && root.back() == '/') root.pop_back();
  auto impl = std::make_unique<Impl>(std::move(root));
  if (::mkdir(impl->root.c_str(), 0700) == 0) {
    TIDEMARK_RETURN_IF_ERROR(SyncDirectory(absl::StrCat(impl->root, "/..")));
  } else if (errno != EEXIST) {
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
  TIDEMARK_ASSIGN_OR_RETURN(impl->spares, SpareSegments::Open(impl->root));
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

absl::StatusOr<std::unique_ptr<DirectoryView>> FileStore::View(Unreadable unreadable) const {
  return MapDirectory(impl_->root, unreadable);
}

void FileStore::Execute(FileBatch batch, std::function<void(absl::Status)> done) {
  impl_->Enqueue([impl = impl_.get(), batch = std::move(batch), done = std::move(done)] {
    done(impl->Execute(batch));
  });
}

absl::Status FileStore::ExecuteHere(const FileBatch& batch) { return impl_->Execute(batch); }

void FileStore::Read(const FileId& file, FilePos pos, uint32_t length,
                     std::function<void(absl::StatusOr<Bytes>)> done) {
  absl::StatusOr<std::shared_ptr<OpenFile>> open = impl_->files.Get(file);
  if (!open.ok()) {
    done(open.status());
    return;
  }
  std::shared_ptr<char[]> buffer = std::make_shared_for_overwrite<char[]>(length);
  char* const to = buffer.get();
  Bytes bytes = Bytes::Share(std::move(buffer), std::string_view(to, length));
  if ((*open)->ReadCached(pos, to, length)) {
    done(std::move(bytes));
    return;
  }
  impl_->Enqueue([open = *std::move(open), pos, to, bytes = std::move(bytes),
                  done = std::move(done)]() mutable {
    const absl::Status status = open->Read(pos, to, bytes.size());
    // Before anybody hears of it: a removed segment waits for its readers to be used again.
    open.reset();
    if (status.ok()) {
      done(std::move(bytes));
    } else {
      done(status);
    }
  });
}

absl::StatusOr<FileStore::Space> FileStore::DiskSpace() const {
  struct statvfs info = {};
  if (::statvfs(impl_->root.c_str(), &info) != 0) {
    return SystemError("cannot measure", impl_->root, errno);
  }
  const Space space{.free_bytes = uint64_t{info.f_bavail} * info.f_frsize,
                    .total_bytes = uint64_t{info.f_blocks} * info.f_frsize};
  impl_->spares->OnFreeSpace(space.free_bytes);
  return space;
}

const std::string& FileStore::path() const { return impl_->root; }

void FileStore::WaitForSpares() { impl_->spares->WaitUntilIdle(); }

size_t FileStore::open_files() const { return impl_->files.open_count(); }

}  // namespace tidemark
