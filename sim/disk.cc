#include "sim/disk.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/crc32c.h"
#include "engine/base/status_macros.h"

namespace tidemark::sim {

class Disk::Snapshot : public DirectoryView {
 public:
  explicit Snapshot(std::map<FileId, InodePtr> names) : names_(std::move(names)) {}

  std::vector<FileId> List(GroupId group) const override {
    std::vector<FileId> files;
    for (const auto& [file, inode] : names_) {
      if (file.group == group) files.push_back(file);
    }
    return files;
  }
  std::vector<GroupId> Groups() const override {
    std::set<GroupId> groups;
    for (const auto& [file, inode] : names_) groups.insert(file.group);
    return {groups.begin(), groups.end()};
  }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    const auto found = names_.find(file);
    if (found == names_.end()) return absl::NotFoundError(PathOf(file));
    return std::string_view(found->second->cached);
  }

 private:
  std::map<FileId, InodePtr> names_;
};

Disk::Disk(uint32_t actor, uint32_t sector_bytes, Decisions* decisions, Coverage* coverage)
    : actor_(actor), sector_bytes_(sector_bytes), decisions_(decisions), coverage_(coverage) {}

absl::Status Disk::Execute(const FileBatch& batch) {
  for (const FileOp& op : batch.ops) TIDEMARK_RETURN_IF_ERROR(Apply(op));
  for (const FileId& file : batch.sync) {
    if (!names_.contains(file)) {
      return absl::FailedPreconditionError(
          absl::StrCat("sync of ", PathOf(file), ", which does not exist"));
    }
  }
  return absl::OkStatus();
}

absl::Status Disk::Apply(const FileOp& op) {
  const auto missing = [](const FileId& file, std::string_view what) {
    return absl::FailedPreconditionError(
        absl::StrCat(std::string(what), " of ", PathOf(file), ", which does not exist"));
  };
  if (const auto* create = std::get_if<CreateFile>(&op)) {
    if (names_.contains(create->file)) {
      return absl::FailedPreconditionError(
          absl::StrCat("creation of ", PathOf(create->file), ", which exists"));
    }
    auto inode = std::make_shared<Inode>();
    if (create->zero_bytes > 0) {
      Make({.resize = true, .pos = create->zero_bytes, .data = {}, .before = {}}, *inode);
    }
    unsynced_names_.push_back({.add = true, .to = create->file, .inode = std::move(inode)});
    ApplyName(unsynced_names_.back(), names_);
  } else if (const auto* write = std::get_if<WriteFile>(&op)) {
    const auto found = names_.find(write->file);
    if (found == names_.end()) return missing(write->file, "a write");
    uint64_t pos = write->pos.value();
    for (const Bytes& data : write->data) {
      Change change{.resize = false, .pos = pos, .data = data, .before = {}};
      Make(std::move(change), *found->second);
      pos += data.size();
    }
  } else if (const auto* truncate = std::get_if<TruncateFile>(&op)) {
    const auto found = names_.find(truncate->file);
    if (found == names_.end()) return missing(truncate->file, "a truncation");
    Change change{.resize = true, .pos = truncate->size, .data = {}, .before = {}};
    Make(std::move(change), *found->second);
  } else if (const auto* remove = std::get_if<RemoveFile>(&op)) {
    if (!names_.contains(remove->file)) return absl::OkStatus();
    unsynced_names_.push_back(
        {.remove = true, .from = remove->file, .add = false, .to = remove->file, .inode = nullptr});
    ApplyName(unsynced_names_.back(), names_);
  } else {
    const auto& rename = std::get<RenameFile>(op);
    const auto found = names_.find(rename.from);
    if (found == names_.end()) return missing(rename.from, "a renaming");
    unsynced_names_.push_back({.remove = true,
                               .from = rename.from,
                               .add = true,
                               .to = rename.to,
                               .inode = found->second});
    ApplyName(unsynced_names_.back(), names_);
  }
  return absl::OkStatus();
}

void Disk::Alter(Inode& inode, uint64_t pos, char byte) {
  inode.cached.at(pos) = byte;
  if (inode.platter.has_value()) inode.platter->at(pos) = byte;
}

void Disk::Put(Inode& inode, uint64_t pos, char byte) {
  inode.before_rot.try_emplace(pos, inode.cached.at(pos));
  Alter(inode, pos, byte);
}

void Disk::Rot(const FileId& file, FilePos pos) {
  Inode& inode = *names_.at(file);
  // Twice at one place is not as it was.
  const char bit = inode.before_rot.contains(pos.value()) ? 0x20 : 0x10;
  Put(inode, pos.value(), static_cast<char>(inode.cached.at(pos.value()) ^ bit));
}

void Disk::Misdirect(const FileId& file, FilePos pos, uint32_t length, FilePos to) {
  Inode& inode = *names_.at(file);
  const std::string bytes = inode.cached.substr(pos.value(), length);
  for (uint64_t at = 0; at < length; ++at) Put(inode, pos.value() + at, '\0');
  for (uint64_t at = 0; at < length; ++at) Put(inode, to.value() + at, bytes[at]);
}

void Disk::Unrot(const FileId& file) {
  Inode& inode = *names_.at(file);
  for (const auto& [pos, before] : inode.before_rot) Alter(inode, pos, before);
  inode.before_rot.clear();
}

bool Disk::IsRotten(const FileId& file) const {
  const auto found = names_.find(file);
  return found != names_.end() && !found->second->before_rot.empty();
}

absl::StatusOr<Bytes> Disk::ReadAsWritten(const FileId& file, FilePos pos, uint32_t length) const {
  absl::StatusOr<Bytes> read = Read(file, pos, length);
  if (!read.ok() || !IsRotten(file)) return read;
  std::string bytes(read->view());
  const std::map<uint64_t, char>& before = names_.at(file)->before_rot;
  for (auto at = before.lower_bound(pos.value());
       at != before.end() && at->first - pos.value() < length; ++at) {
    bytes[at->first - pos.value()] = at->second;
  }
  return Bytes::From(std::move(bytes));
}

void Disk::Make(Change change, Inode& inode) {
  change.size_before = inode.cached.size();
  const size_t lost = change.resize ? std::string::npos : change.data.size();
  if (change.pos < change.size_before) change.before = inode.cached.substr(change.pos, lost);
  ApplyChange(change, inode.cached);
  if (!inode.before_rot.empty()) {
    const uint64_t end = change.resize ? UINT64_MAX : change.pos + change.data.size();
    inode.before_rot.erase(inode.before_rot.lower_bound(change.pos),
                           inode.before_rot.lower_bound(end));
  }
  inode.unsynced.push_back(std::move(change));
}

void Disk::ApplyChange(const Change& change, std::string& content) {
  if (change.resize) {
    content.resize(change.pos);
    return;
  }
  if (content.size() < change.pos) content.resize(change.pos);
  // Overwrites what is there and appends the rest.
  const std::string_view data = change.data.view();
  content.replace(change.pos, data.size(), data);
}

void Disk::TakeBack(const Change& change, std::string& content) {
  content.resize(change.size_before);
  if (!change.before.empty()) content.replace(change.pos, change.before.size(), change.before);
}

std::string Disk::OnPlatter(const Inode& inode) {
  if (inode.platter.has_value()) return *inode.platter;
  std::string content = inode.cached;
  for (auto change = inode.unsynced.rbegin(); change != inode.unsynced.rend(); ++change) {
    TakeBack(*change, content);
  }
  return content;
}

void Disk::ApplyName(const NameChange& change, std::map<FileId, InodePtr>& names) {
  if (change.remove) names.erase(change.from);
  if (change.add) names[change.to] = change.inode;
}

void Disk::MakeDurable(Inode& inode) {
  if (inode.platter.has_value()) {
    for (const Change& change : inode.unsynced) ApplyChange(change, *inode.platter);
    if (*inode.platter == inode.cached) inode.platter.reset();
  }
  inode.unsynced.clear();
}

void Disk::Synced(const FileBatch& batch) {
  for (const FileId& file : batch.sync) {
    const auto found = names_.find(file);
    if (found != names_.end()) MakeDurable(*found->second);
  }
  bool names_changed = false;
  for (const FileOp& op : batch.ops) {
    names_changed = names_changed || !(std::holds_alternative<WriteFile>(op) ||
                                       std::holds_alternative<TruncateFile>(op));
  }
  if (!names_changed || batch.ops.empty()) return;
  const GroupId group = std::visit(
      [](const auto& op) {
        if constexpr (std::is_same_v<std::decay_t<decltype(op)>, RenameFile>) {
          return op.from.group;
        } else {
          return op.file.group;
        }
      },
      batch.ops.front());
  std::erase_if(unsynced_names_, [&](const NameChange& change) {
    if (change.to.group != group) return false;
    ApplyName(change, durable_names_);
    return true;
  });
}

absl::StatusOr<Bytes> Disk::Read(const FileId& file, FilePos pos, uint32_t length) const {
  const auto found = names_.find(file);
  if (found == names_.end()) return absl::NotFoundError(PathOf(file));
  const std::string_view content = found->second->cached;
  if (pos.value() > content.size() || length > content.size() - pos.value()) {
    return absl::OutOfRangeError(absl::StrCat(PathOf(file), " has ", content.size(),
                                              " bytes; asked for ", length, " at ", pos.value()));
  }
  return Bytes::Copy(content.substr(pos.value(), length));
}

std::string Disk::Survivor(const Inode& inode) {
  // Everything each sector and the size went through; a resize counts for all sectors it may touch.
  const auto pick = [&](Site site, size_t changes) {
    return static_cast<size_t>(decisions_->Below(site, actor_, changes + 1));
  };
  std::string survived = OnPlatter(inode);
  const uint64_t size_synced = survived.size();
  uint64_t size_max = size_synced;
  size_t resizes = 0;
  std::vector<uint64_t> sizes{size_synced};
  for (const Change& change : inode.unsynced) {
    const uint64_t before = sizes.back();
    const uint64_t after =
        change.resize ? change.pos : std::max(before, change.pos + change.data.size());
    size_max = std::max(size_max, after);
    if (after != before) {
      sizes.push_back(after);
      ++resizes;
    }
  }
  const uint64_t size = sizes[pick(Site::kCrashSize, resizes)];
  survived.resize(size_max);
  bool lost = size != sizes.back();
  bool kept = false;
  for (uint64_t begin = 0; begin < size_max; begin += sector_bytes_) {
    const uint64_t end = std::min<uint64_t>(begin + sector_bytes_, size_max);
    std::vector<const Change*> touching;
    for (const Change& change : inode.unsynced) {
      const bool touches = change.resize
                               ? change.pos < end
                               : change.pos < end && change.pos + change.data.size() > begin;
      if (touches && !(change.resize && touching.empty() && change.pos >= size_synced)) {
        touching.push_back(&change);
      }
    }
    if (touching.empty()) continue;
    const size_t survivors = pick(Site::kCrashSector, touching.size());
    lost = lost || survivors < touching.size();
    kept = kept || survivors > 0;
    for (size_t i = 0; i < survivors; ++i) {
      const Change& change = *touching[i];
      const auto at = [&](uint64_t pos) { return survived.begin() + static_cast<ptrdiff_t>(pos); };
      if (change.resize) {
        std::fill(at(std::max(begin, change.pos)), at(end), '\0');
        continue;
      }
      const uint64_t from = std::max(begin, change.pos);
      const uint64_t to = std::min<uint64_t>(end, change.pos + change.data.size());
      const std::string_view data = change.data.view().substr(from - change.pos, to - from);
      std::copy(data.begin(), data.end(), at(from));
    }
  }
  survived.resize(size);
  if (lost) coverage_->Hit(kept ? Probe::kWriteTorn : Probe::kWriteLost);
  return survived;
}

void Disk::ReadAnew(Inode& inode, std::string content) {
  inode.cached = std::move(content);
  inode.platter.reset();
  inode.unsynced.clear();
}

void Disk::SyncFailed(const FileBatch& batch) {
  for (const FileId& file : batch.sync) {
    const auto found = names_.find(file);
    if (found == names_.end() || found->second->unsynced.empty()) continue;
    Inode& inode = *found->second;
    inode.platter = Survivor(inode);
    inode.unsynced.clear();
    const uint64_t size = inode.cached.size();
    if (decisions_->Percent(Place(Site::kSyncLost, actor_), 50)) {
      inode.cached = *inode.platter;
      inode.cached.resize(size);
    }
    // The size is the file system's, which keeps its own.
    if (inode.platter->size() != size) {
      inode.unsynced.push_back({.resize = true, .pos = size, .data = {}, .before = {}});
    }
  }
}

void Disk::PowerLoss() {
  // Now and then all of it or nothing of it survives: the two ends a crash usually has.
  enum class Mode : uint8_t { kAll, kNothing, kEachItsOwn };
  constexpr uint32_t kWeights[] = {1, 2, 5};
  const Mode mode =
      static_cast<Mode>(decisions_->Weighted(Place(Site::kCrashMode, actor_), kWeights));
  if (mode == Mode::kAll) {
    SyncAll();
    for (const auto& [file, inode] : names_) {
      if (inode->platter.has_value()) ReadAnew(*inode, OnPlatter(*inode));
    }
    return;
  }
  std::set<Inode*> seen;
  const auto survive = [&](const InodePtr& inode) {
    if (!seen.insert(inode.get()).second) return;
    if (inode->unsynced.empty()) {
      // Less what a failed sync lost.
      if (inode->platter.has_value()) ReadAnew(*inode, OnPlatter(*inode));
      return;
    }
    if (mode == Mode::kEachItsOwn) {
      ReadAnew(*inode, Survivor(*inode));
      return;
    }
    coverage_->Hit(Probe::kWriteLost);
    ReadAnew(*inode, OnPlatter(*inode));
  };
  // In the order of names: never of addresses.
  for (const auto& [file, inode] : durable_names_) survive(inode);
  for (const NameChange& change : unsynced_names_) {
    const bool kept =
        mode == Mode::kEachItsOwn && decisions_->Percent(Place(Site::kCrashName, actor_), 50);
    if (!kept) {
      coverage_->Hit(Probe::kNameLost);
      continue;
    }
    if (change.inode != nullptr) survive(change.inode);
    ApplyName(change, durable_names_);
  }
  unsynced_names_.clear();
  names_ = durable_names_;
}

void Disk::Wipe() {
  names_.clear();
  durable_names_.clear();
  unsynced_names_.clear();
}

void Disk::SyncAll() {
  for (const auto& [file, inode] : names_) MakeDurable(*inode);
  unsynced_names_.clear();
  durable_names_ = names_;
}

std::unique_ptr<DirectoryView> Disk::View() const { return std::make_unique<Snapshot>(names_); }

bool Disk::HasUnsynced() const {
  if (!unsynced_names_.empty()) return true;
  return std::any_of(names_.begin(), names_.end(),
                     [](const auto& entry) { return !entry.second->unsynced.empty(); });
}

void Disk::AddTo(TraceHash& hash) const {
  for (const auto& [file, inode] : names_) {
    hash.Add(file.group.value());
    hash.Add(static_cast<uint64_t>(file.kind));
    hash.Add(file.number);
    hash.Add(inode->cached.size());
    hash.Add(Crc32c(inode->cached));
  }
}

}  // namespace tidemark::sim
