#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace tidemark::conformance {

// What a directive prints, and how much of it: at the highest log level nothing.
class InteractionOutput {
 public:
  enum Level : int { kDebug, kInfo, kWarn, kError, kFatal, kNone };

  bool quiet() const { return level_ == kNone; }
  Level level() const { return level_; }
  void set_level(Level level) { level_ = level; }

  void Write(std::string_view text) {
    if (!quiet()) text_ += text;
  }
  // The only line of etcd's log that scripts are held to: who is a member now.
  void LogInfo(std::string_view text) {
    if (level_ <= kInfo) text_.append("INFO ").append(text).append("\n");
  }
  // Prints what `print` prints, each line moved to the right.
  template <typename Print>
  void Indented(const Print& print) {
    std::string before;
    before.swap(text_);
    print();
    before.swap(text_);
    std::string_view lines = before;
    while (!lines.empty()) {
      const std::string_view line = lines.substr(0, lines.find('\n'));
      text_.append("  ").append(line).append("\n");
      lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    }
  }
  std::string Take() { return std::exchange(text_, {}); }

 private:
  Level level_ = kDebug;
  std::string text_;
};

}  // namespace tidemark::conformance
