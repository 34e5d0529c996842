#include "runtime/io/directory_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

// One file, mapped as long as the object lives.
class Mapping {
 public:
  static absl::StatusOr<std::unique_ptr<Mapping>> Of(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info = {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
      return absl::DataLossError(absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
    }
    // What a killed process wrote may be in the page cache alone; recovery takes what it reads as a
    // promise (a vote, a commit index), so it must be on the disk first.
    if (::fdatasync(fd.get()) != 0) {
      return absl::DataLossError(absl::StrCat("cannot sync ", path, ": ", std::strerror(errno)));
    }
    const size_t size = static_cast<size_t>(info.st_size);
    void* at = nullptr;
    if (size > 0) {
      at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
      if (at == MAP_FAILED) {
        return absl::DataLossError(absl::StrCat("cannot map ", path, ": ", std::strerror(errno)));
      }
    }
    return std::unique_ptr<Mapping>(new Mapping(static_cast<char*>(at), size));
  }

  ~Mapping() {
    if (size_ > 0) ::munmap(at_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::string_view view() const { return {at_, size_}; }

 private:
  Mapping(char* at, size_t size) : at_(at), size_(size) {}
  char* at_;
  size_t size_;
};

class MappedDirectory : public DirectoryView {
 public:
  explicit MappedDirectory(std::string root) : root_(std::move(root)) {}

  void Add(const FileId& file) { files_.insert(file); }

  std::vector<FileId> List(GroupId group) const override {
    std::vector<FileId> in_group;
    for (const FileId& file : files_) {
      if (file.group == group) in_group.push_back(file);
    }
    return in_group;
  }

  std::vector<GroupId> Groups() const override {
    std::set<GroupId> groups;
    for (const FileId& file : files_) groups.insert(file.group);
    return {groups.begin(), groups.end()};
  }

  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    if (!files_.contains(file)) return absl::NotFoundError(PathOf(file));
    auto found = mappings_.find(file);
    if (found == mappings_.end()) {
      TIDEMARK_ASSIGN_OR_RETURN(std::unique_ptr<Mapping> mapping,
                                Mapping::Of(absl::StrCat(root_, "/", PathOf(file))));
      found = mappings_.emplace(file, std::move(mapping)).first;
    }
    return found->second->view();
  }

 private:
  std::string root_;
  std::set<FileId> files_;
  mutable std::map<FileId, std::unique_ptr<Mapping>> mappings_;
};

// Calls `visit` with each name in `path` ("." and ".." excepted), after making the names durable.
template <typename Visit>
absl::Status ForEachName(const std::string& path, Visit visit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot sync ", path, ": ", std::strerror(errno)));
  }
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

absl::StatusOr<std::unique_ptr<DirectoryView>> MapDirectory(const std::string& path) {
  auto view = std::make_unique<MappedDirectory>(path);
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
