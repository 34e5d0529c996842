#include "runtime/io/file_table.h"

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace tidemark {

std::string FileTable::PathTo(const FileId& file) const {
  return absl::StrCat(root_, "/", PathOf(file));
}

std::string FileTable::FolderOf(const FileId& file) const {
  std::string path = PathTo(file);
  path.resize(path.rfind('/'));
  return path;
}

absl::StatusOr<std::shared_ptr<OpenFile>> FileTable::Get(const FileId& file) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (const auto found = by_id_.find(file); found != by_id_.end()) {
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }
  if (removing_.contains(file)) {
    return absl::NotFoundError(absl::StrCat(PathTo(file), " is being removed"));
  }
  // Opened with the lock held: a removal may give the file to another group, and a descriptor that
  // was opened before that and registered after it would read the other group's data.
  TIDEMARK_ASSIGN_OR_RETURN(std::shared_ptr<OpenFile> open, OpenFile::Open(PathTo(file)));
  Insert(file, open);
  return open;
}

std::shared_ptr<OpenFile> FileTable::Peek(const FileId& file) {
  const std::lock_guard<std::mutex> hold(mutex_);
  const auto found = by_id_.find(file);
  return found == by_id_.end() ? nullptr : found->second->second;
}

void FileTable::Put(const FileId& file, std::shared_ptr<OpenFile> open) {
  const std::lock_guard<std::mutex> hold(mutex_);
  Drop(file);
  Insert(file, std::move(open));
}

absl::Status FileTable::Remove(const FileId& file,
                               absl::FunctionRef<absl::Status(std::shared_ptr<OpenFile>)> unname) {
  std::shared_ptr<OpenFile> open;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    open = Drop(file);
    removing_.insert(file);
  }
  absl::Status status = unname(std::move(open));
  const std::lock_guard<std::mutex> hold(mutex_);
  removing_.erase(file);
  if (status.ok() && failed_.erase(file) > 0) any_failed_ = !failed_.empty();
  return status;
}

absl::Status FileTable::Rename(const FileId& from, const FileId& to) {
  const std::string path = PathTo(from);
  const std::lock_guard<std::mutex> hold(mutex_);
  Drop(from);
  Drop(to);
  if (::rename(path.c_str(), PathTo(to).c_str()) != 0) {
    return SystemError("cannot rename", path, errno);
  }
  return absl::OkStatus();
}

void FileTable::Fail(const FileId& file) {
  const std::lock_guard<std::mutex> hold(mutex_);
  Drop(file);
  failed_.insert(file);
  any_failed_ = true;
}

absl::Status FileTable::CheckNotFailed(const FileId& file) {
  if (!any_failed_) return absl::OkStatus();
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!failed_.contains(file)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("an earlier write or sync of ", PathTo(file),
                   " failed, what it holds is not known before it is verified"));
}

void FileTable::Readmit(GroupId group) {
  const std::lock_guard<std::mutex> hold(mutex_);
  for (auto at = order_.begin(); at != order_.end();) {
    const auto next = std::next(at);
    if (at->first.group == group) {
      by_id_.erase(at->first);
      order_.erase(at);
    }
    at = next;
  }
  std::erase_if(failed_, [&](const FileId& file) { return file.group == group; });
  any_failed_ = !failed_.empty();
}

size_t FileTable::open_count() {
  const std::lock_guard<std::mutex> hold(mutex_);
  return order_.size();
}

std::shared_ptr<OpenFile> FileTable::Drop(const FileId& file) {
  const auto found = by_id_.find(file);
  if (found == by_id_.end()) return nullptr;
  std::shared_ptr<OpenFile> open = std::move(found->second->second);
  order_.erase(found->second);
  by_id_.erase(found);
  return open;
}

void FileTable::Insert(const FileId& file, std::shared_ptr<OpenFile> open) {
  order_.emplace_front(file, std::move(open));
  by_id_[file] = order_.begin();
  while (order_.size() > open_max_) {
    by_id_.erase(order_.back().first);
    order_.pop_back();
  }
}

}  // namespace tidemark
