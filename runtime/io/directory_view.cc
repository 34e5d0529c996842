#include "runtime/io/directory_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "runtime/base/unique_fd.h"

namespace tidemark {
namespace {

// Files up to this size are copied: the number of mappings a process may have is limited.
constexpr uint64_t kCopiedBytesMax = 64u << 10;
// What is given up where a device cannot read.
constexpr size_t kBlockBytes = 4096;

absl::Status Failed(const char* what, const std::string& path, int error) {
  return absl::DataLossError(absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(error)));
}

// Up to `count` bytes from `pos` on; fewer where the file ends.
class Reader {
 public:
  Reader(int fd, const std::string& path, Unreadable unreadable)
      : fd_(fd), path_(path), unreadable_(unreadable) {}

  absl::StatusOr<std::string> Read(uint64_t pos, size_t count) const {
    std::string bytes(count, '\0');
    size_t filled = 0;
    while (filled < count) {
      const ssize_t got =
          ::pread(fd_, bytes.data() + filled, count - filled, static_cast<off_t>(pos + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got == 0) break;
      if (got > 0) {
        filled += static_cast<size_t>(got);
        continue;
      }
      if (errno != EIO) return Failed("read", path_, errno);
      // What comes before the first block that cannot be read has come.
      const size_t block = std::min(count - filled, kBlockBytes - (pos + filled) % kBlockBytes);
      const ssize_t one =
          ::pread(fd_, bytes.data() + filled, block, static_cast<off_t>(pos + filled));
      if (one > 0) {
        filled += static_cast<size_t>(one);
      } else if (unreadable_ == Unreadable::kZeros) {
        std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(filled), block, '\0');
        filled += block;
      } else {
        return absl::DataLossError(absl::StrCat(
            "the disk cannot read bytes ", pos + filled, " to ", pos + filled + block, " of ",
            path_,
            " (a bad sector?). Nothing was changed; `tidemark log verify DIR`, with the "
            "data directory, shows what is lost with them and what can be done"));
      }
    }
    bytes.resize(filled);
    return bytes;
  }

 private:
  const int fd_;
  const std::string& path_;
  const Unreadable unreadable_;
};

// The contents of one file as long as the object lives.
class FileContents {
 public:
  static absl::StatusOr<std::unique_ptr<FileContents>> Of(const std::string& path,
                                                          Unreadable unreadable) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info = {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) return Failed("open", path, errno);
    const size_t size = static_cast<size_t>(info.st_size);
    const Reader reader(fd.get(), path, unreadable);
    std::unique_ptr<FileContents> contents(new FileContents);
    if (size <= kCopiedBytesMax) {
      TIDEMARK_RETURN_IF_ERROR(contents->Copy(reader, size));
      return contents;
    }
    void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) {
      if (errno != ENOMEM) return Failed("map", path, errno);
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot map ", path,
                       ": too many mappings or too little address space; raise vm.max_map_count"));
    }
    contents->view_ = {static_cast<char*>(at), size};
    if (::madvise(at, size, MADV_POPULATE_READ) == 0 || errno == EINVAL) return contents;
    contents.reset(new FileContents);
    TIDEMARK_RETURN_IF_ERROR(contents->Copy(reader, size));
    return contents;
  }

  ~FileContents() {
    if (view_.data() != copy_.data()) ::munmap(const_cast<char*>(view_.data()), view_.size());
  }
  FileContents(const FileContents&) = delete;
  FileContents& operator=(const FileContents&) = delete;

  std::string_view view() const { return view_; }

 private:
  FileContents() : view_(copy_) {}
  absl::Status Copy(const Reader& reader, size_t size) {
    TIDEMARK_ASSIGN_OR_RETURN(copy_, reader.Read(0, size));
    view_ = copy_;
    return absl::OkStatus();
  }
  std::string copy_;
  std::string_view view_;
};

class ListedDirectory : public DirectoryView {
 public:
  ListedDirectory(std::string root, Unreadable unreadable)
      : root_(std::move(root)), unreadable_(unreadable) {}

  void Add(const FileId& file) { files_.insert(file); }

  std::vector<FileId> List(GroupId group) const override {
    std::vector<FileId> in_group;
    for (auto at = files_.lower_bound(FileId{group, FileKind(0), 0});
         at != files_.end() && at->group == group; ++at) {
      in_group.push_back(*at);
    }
    return in_group;
  }

  std::vector<GroupId> Groups() const override {
    std::vector<GroupId> groups;
    for (const FileId& file : files_) {
      if (groups.empty() || groups.back() != file.group) groups.push_back(file.group);
    }
    return groups;
  }

  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    auto found = contents_.find(file);
    if (found == contents_.end()) {
      TIDEMARK_ASSIGN_OR_RETURN(const std::string path, PathTo(file));
      TIDEMARK_ASSIGN_OR_RETURN(std::unique_ptr<FileContents> contents,
                                FileContents::Of(path, unreadable_));
      found = contents_.emplace(file, std::move(contents)).first;
    }
    return found->second->view();
  }

  absl::StatusOr<std::string> ReadAt(const FileId& file, FilePos pos,
                                     uint32_t length) const override {
    TIDEMARK_ASSIGN_OR_RETURN(const std::string path, PathTo(file));
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return Failed("open", path, errno);
    return Reader(fd.get(), path, unreadable_).Read(pos.value(), length);
  }

  absl::StatusOr<uint64_t> Size(const FileId& file) const override {
    TIDEMARK_ASSIGN_OR_RETURN(const std::string path, PathTo(file));
    struct stat info = {};
    if (::stat(path.c_str(), &info) != 0) return Failed("look at", path, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  absl::StatusOr<std::string> PathTo(const FileId& file) const {
    if (!files_.contains(file)) return absl::NotFoundError(PathOf(file));
    return absl::StrCat(root_, "/", PathOf(file));
  }

  const std::string root_;
  const Unreadable unreadable_;
  std::set<FileId> files_;
  mutable std::map<FileId, std::unique_ptr<FileContents>> contents_;
};

// Calls `visit` with each name in `path`, "." and ".." excepted.
template <typename Visit>
absl::Status ForEachName(const std::string& path, Visit visit) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot list ", path, ": ", std::strerror(errno)));
  }
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") visit(name, entry->d_type == DT_DIR);
  }
  ::closedir(directory);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryView>> MapDirectory(const std::string& path,
                                                            Unreadable unreadable) {
  // One call, not one for each of perhaps 100,000 files: syncing a clean file flushes the device,
  // too.
  const UniqueFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid() || ::syncfs(root.get()) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot sync ", path, ": ", std::strerror(errno)));
  }
  auto view = std::make_unique<ListedDirectory>(path, unreadable);
  const auto add = [&](const std::string& relative) {
    const absl::StatusOr<FileId> file = ParsePath(relative);
    if (file.ok()) view->Add(*file);
  };
  std::vector<std::string> folders;
  TIDEMARK_RETURN_IF_ERROR(ForEachName(path, [&](const std::string& name, bool is_directory) {
    if (is_directory) {
      folders.push_back(name);
    } else {
      add(name);
    }
  }));
  for (const std::string& folder : folders) {
    TIDEMARK_RETURN_IF_ERROR(
        ForEachName(absl::StrCat(path, "/", folder),
                    [&](const std::string& name, bool) { add(absl::StrCat(folder, "/", name)); }));
  }
  return view;
}

}  // namespace tidemark
