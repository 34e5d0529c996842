#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/check.h"

namespace tidemark {

// An immutable run of bytes that keeps its storage alive: a batch travels from the client's request
// to the disk, to the peers and to consumers as slices of one buffer, without copies.
//   Lives   the bytes stay valid and unchanged as long as any Bytes that refers to them.
//   Copies  copying a Bytes copies a pointer and a length.
class Bytes {
 public:
  Bytes() = default;

  // Takes over `text` without copying its characters (short strings excepted).
  static Bytes From(std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    const std::string_view view = *owner;
    return Bytes(std::move(owner), view);
  }

  static Bytes Copy(std::string_view view) { return From(std::string(view)); }

  // Refers to `view`, which `owner` keeps alive and unchanged (a gRPC slice, a file mapping).
  static Bytes Share(std::shared_ptr<const void> owner, std::string_view view) {
    return Bytes(std::move(owner), view);
  }

  // Refers to bytes of static storage duration.
  static Bytes Static(std::string_view view) { return Bytes(nullptr, view); }

  std::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  // The bytes [begin, begin + count). Dies if that is not inside.
  Bytes Slice(size_t begin, size_t count) const {
    TIDEMARK_CHECK_LE(begin, view_.size());
    TIDEMARK_CHECK_LE(count, view_.size() - begin);
    return Bytes(owner_, view_.substr(begin, count));
  }

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view_ == b.view_; }

 private:
  Bytes(std::shared_ptr<const void> owner, std::string_view view)
      : owner_(std::move(owner)), view_(view) {}

  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

}  // namespace tidemark
