#include "tests/engine/log/memory_disk.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/prng.h"
#include "engine/log/frame.h"

namespace tidemark {
namespace {

class CopyView : public ImageView {
 public:
  explicit CopyView(std::unique_ptr<DiskImage> image)
      : ImageView(*image), image_(std::move(image)) {}

 private:
  std::unique_ptr<DiskImage> image_;
};

std::string SectorOf(const std::string& contents, size_t at) {
  std::string sector = at < contents.size() ? contents.substr(at, kSectorBytes) : std::string();
  sector.resize(kSectorBytes, '\0');
  return sector;
}

// The different contents that the sector at `at` has in `states`, in order.
std::vector<std::string> ValuesOf(const std::vector<std::string>& states, size_t at) {
  std::vector<std::string> values;
  for (const std::string& state : states) {
    std::string sector = SectorOf(state, at);
    if (std::find(values.begin(), values.end(), sector) == values.end()) {
      values.push_back(std::move(sector));
    }
  }
  return values;
}

uint64_t HashBytes(std::string_view bytes, uint64_t hash) {
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;  // FNV
  return Mix64(hash);
}

}  // namespace

std::vector<FileId> ImageView::List(GroupId group) const {
  std::vector<FileId> list;
  for (const auto& [file, contents] : image_) {
    if (file.group == group) list.push_back(file);
  }
  return list;
}

std::vector<GroupId> ImageView::Groups() const {
  std::vector<GroupId> groups;
  for (const auto& [file, contents] : image_) {
    if (groups.empty() || groups.back() != file.group) groups.push_back(file.group);
  }
  return groups;
}

absl::StatusOr<std::string_view> ImageView::Contents(const FileId& file) const {
  const auto found = image_.find(file);
  if (found == image_.end()) return absl::NotFoundError(PathOf(file));
  return found->second;
}

MemoryDisk::MemoryDisk(const DiskImage& image) {
  for (const auto& [file, contents] : image) {
    names_[file] = std::make_shared<Inode>(Inode{.durable = contents, .current = contents});
  }
}

void MemoryDisk::Make(const Change& change, std::string& contents) {
  contents.resize(change.size);
  size_t pos = change.pos;
  for (const Bytes& slice : change.data) {
    contents.replace(pos, slice.size(), slice.view());
    pos += slice.size();
  }
}

std::vector<std::string> MemoryDisk::Inode::States() const {
  std::vector<std::string> states{durable};
  for (const Change& change : pending) {
    states.push_back(states.back());
    Make(change, states.back());
  }
  // A test may have damaged what readers see.
  if (pending.empty()) states.back() = current;
  return states;
}

MemoryDisk::Inode& MemoryDisk::Get(const FileId& file) {
  const auto found = names_.find(file);
  TIDEMARK_CHECK(found != names_.end());
  return *found->second;
}

void MemoryDisk::SetName(const FileId& file, InodePtr inode) {
  std::vector<InodePtr>& history = name_history_[file];
  if (history.empty()) {
    const auto found = names_.find(file);
    history.push_back(found == names_.end() ? nullptr : found->second);
  }
  history.push_back(inode);
  if (inode == nullptr) {
    names_.erase(file);
  } else {
    names_[file] = std::move(inode);
  }
}

void MemoryDisk::Apply(const FileBatch& batch) {
  for (const FileOp& op : batch.ops) ApplyOne(op);
}

void MemoryDisk::ApplyOne(const FileOp& op) {
  const auto change = [&](const FileId& file, Change made) {
    Inode& inode = Get(file);
    Make(made, inode.current);
    inode.pending.push_back(std::move(made));
  };
  if (const auto* create = std::get_if<CreateFile>(&op)) {
    TIDEMARK_CHECK(!names_.contains(create->file));
    SetName(create->file, std::make_shared<Inode>());
    if (create->zero_bytes > 0) change(create->file, {.size = create->zero_bytes});
  } else if (const auto* write = std::get_if<WriteFile>(&op)) {
    uint64_t end = write->pos.value();
    for (const Bytes& slice : write->data) end += slice.size();
    change(write->file, {.pos = write->pos.value(),
                         .data = write->data,
                         .size = std::max<uint64_t>(end, Get(write->file).current.size())});
  } else if (const auto* truncate = std::get_if<TruncateFile>(&op)) {
    change(truncate->file, {.size = truncate->size});
  } else if (const auto* remove = std::get_if<RemoveFile>(&op)) {
    if (names_.contains(remove->file)) SetName(remove->file, nullptr);
  } else {
    const auto& rename = std::get<RenameFile>(op);
    Get(rename.from);
    SetName(rename.to, names_[rename.from]);
    SetName(rename.from, nullptr);
  }
}

void MemoryDisk::Sync(const FileBatch& batch) {
  for (const FileId& file : batch.sync) SyncFile(file);
  if (ChangesNames(batch)) SyncNames();
}

void MemoryDisk::SyncFile(const FileId& file) {
  Inode& inode = Get(file);
  inode.durable = inode.current;
  inode.pending.clear();
}

void MemoryDisk::SyncNames() { name_history_.clear(); }

bool MemoryDisk::ChangesNames(const FileBatch& batch) {
  return std::any_of(batch.ops.begin(), batch.ops.end(), [](const FileOp& op) {
    return !std::holds_alternative<WriteFile>(op) && !std::holds_alternative<TruncateFile>(op);
  });
}

void MemoryDisk::Crash(Tear tear, const Pick& pick) {
  for (auto& [file, history] : name_history_) {
    InodePtr inode = history[pick(history.size())];
    if (inode == nullptr) {
      names_.erase(file);
    } else {
      names_[file] = std::move(inode);
    }
  }
  name_history_.clear();
  for (auto& [file, inode] : names_) {
    const std::vector<std::string> states = inode->States();
    if (states.size() == 1) continue;
    std::string survived = states[pick(states.size())];
    for (size_t at = 0; tear == Tear::kSectors && at < survived.size(); at += kSectorBytes) {
      // Only sectors that have several states ask for a decision.
      const std::vector<std::string> values = ValuesOf(states, at);
      if (values.size() == 1) continue;
      const size_t bytes = std::min<size_t>(kSectorBytes, survived.size() - at);
      survived.replace(at, bytes, values[pick(values.size())], 0, bytes);
    }
    *inode = {.durable = survived, .current = survived};
  }
}

std::vector<FileId> MemoryDisk::Files() const {
  std::vector<FileId> files;
  for (const auto& [file, inode] : names_) files.push_back(file);
  return files;
}

std::string& MemoryDisk::Contents(const FileId& file) { return Get(file).current; }

std::string_view MemoryDisk::Read(const FileId& file) const {
  const auto found = names_.find(file);
  return found == names_.end() ? std::string_view() : std::string_view(found->second->current);
}

DiskImage MemoryDisk::Image() const {
  DiskImage image;
  for (const auto& [file, inode] : names_) image[file] = inode->current;
  return image;
}

std::unique_ptr<DirectoryView> MemoryDisk::View() const {
  return std::make_unique<CopyView>(std::make_unique<DiskImage>(Image()));
}

CrashSpace::CrashSpace(const MemoryDisk& disk, Sectors sectors) {
  std::map<FileId, std::vector<MemoryDisk::InodePtr>> histories = disk.name_history_;
  for (const auto& [file, inode] : disk.names_) {
    if (!histories.contains(file)) histories[file] = {inode};
  }
  for (const auto& [file, history] : histories) {
    Name name{.file = file};
    for (const MemoryDisk::InodePtr& inode : history) {
      const File* described = inode == nullptr ? nullptr : Describe(*inode, sectors);
      if (std::find(name.inodes.begin(), name.inodes.end(), described) == name.inodes.end()) {
        name.inodes.push_back(described);
      }
    }
    name.decision = AddDecision(name.inodes.size(), name.inodes.size() - 1);
    names_.push_back(std::move(name));
  }
}

uint32_t CrashSpace::AddDecision(size_t alternatives, size_t newest) {
  if (alternatives < 2) return kDecided;
  alternatives_.push_back(static_cast<uint32_t>(alternatives));
  newest_.push_back(static_cast<uint32_t>(newest));
  return static_cast<uint32_t>(alternatives_.size() - 1);
}

const CrashSpace::File* CrashSpace::Describe(const MemoryDisk::Inode& inode, Sectors sectors) {
  std::unique_ptr<File>& file = files_[&inode];
  if (file != nullptr) return file.get();
  file = std::make_unique<File>(File{.newest = inode.current});
  const std::vector<std::string> states = inode.States();
  size_t longest = 0;
  for (const std::string& state : states) {
    longest = std::max(longest, state.size());
    if (std::find(file->sizes.begin(), file->sizes.end(), state.size()) == file->sizes.end()) {
      file->sizes.push_back(state.size());
    }
  }
  file->newest.resize(longest);
  file->size_decision = AddDecision(file->sizes.size(), file->sizes.size() - 1);
  for (size_t at = 0; at < longest; at += kSectorBytes) {
    Sector sector{.values = ValuesOf(states, at)};
    const size_t newest = sector.values.size() - 1;
    if (newest > 0 && sectors == Sectors::kTorn) {
      const std::string oldest = sector.values.front();
      const std::string latest = sector.values[newest];
      // In the middle, and inside of what a record at its beginning says.
      for (const size_t torn_at : {kSectorBytes / 2, uint64_t{24}}) {
        sector.values.push_back(latest.substr(0, torn_at) + oldest.substr(torn_at));
      }
    }
    sector.decision = AddDecision(sector.values.size(), newest);
    for (const std::string& value : sector.values) sector.hashes.push_back(HashBytes(value, at));
    file->sectors.push_back(std::move(sector));
  }
  return file.get();
}

uint64_t CrashSpace::outcomes() const {
  uint64_t product = 1;
  for (const uint32_t count : alternatives_) {
    if (product > UINT64_MAX / count) return UINT64_MAX;
    product *= count;
  }
  return product;
}

// Calls `visit(name, file, size)` for each file there is after `choice`.
template <typename Visit>
void CrashSpace::ForEachFile(std::span<const uint32_t> choice, Visit visit) const {
  for (const Name& name : names_) {
    const File* file = name.inodes[name.decision == kDecided ? 0 : choice[name.decision]];
    if (file == nullptr) continue;
    visit(name.file, *file,
          file->sizes[file->size_decision == kDecided ? 0 : choice[file->size_decision]]);
  }
}

DiskImage CrashSpace::ImageOf(std::span<const uint32_t> choice) const {
  DiskImage image;
  ForEachFile(choice, [&](const FileId& name, const File& file, uint64_t size) {
    std::string contents = file.newest;
    contents.resize(size);
    for (size_t i = 0; i * kSectorBytes < size; ++i) {
      const Sector& sector = file.sectors[i];
      if (sector.decision == kDecided) continue;
      const size_t bytes = std::min<size_t>(kSectorBytes, size - i * kSectorBytes);
      contents.replace(i * kSectorBytes, bytes, sector.values[choice[sector.decision]], 0, bytes);
    }
    image.emplace_hint(image.end(), name, std::move(contents));
  });
  return image;
}

uint64_t CrashSpace::HashOf(std::span<const uint32_t> choice) const {
  uint64_t hash = 0;
  ForEachFile(choice, [&](const FileId& name, const File& file, uint64_t size) {
    uint64_t sum = 0;
    for (size_t i = 0; i * kSectorBytes < size; ++i) {
      const Sector& sector = file.sectors[i];
      sum += sector.hashes[sector.decision == kDecided ? 0 : choice[sector.decision]];
    }
    hash += Mix64(sum ^ Mix64(size ^ Mix64(name.number * 8 + static_cast<uint64_t>(name.kind))));
  });
  return hash;
}

}  // namespace tidemark
