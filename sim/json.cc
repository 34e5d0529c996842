#include "sim/json.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/base/status_macros.h"

namespace tidemark::sim {
namespace {

absl::Status ErrorAt(int line, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", std::string(what)));
}

void AppendUtf8(uint32_t point, std::string& to) {
  if (point < 0x80) {
    to.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    to.push_back(static_cast<char>(0xc0 | point >> 6));
    to.push_back(static_cast<char>(0x80 | (point & 0x3f)));
  } else {
    to.push_back(static_cast<char>(0xe0 | point >> 12));
    to.push_back(static_cast<char>(0x80 | (point >> 6 & 0x3f)));
    to.push_back(static_cast<char>(0x80 | (point & 0x3f)));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<Json> Document() {
    Json json;
    TIDEMARK_RETURN_IF_ERROR(Value(json, 0));
    SkipSpace();
    if (at_ < text_.size()) return Error("something follows the end");
    return json;
  }

 private:
  absl::Status Error(std::string_view what) const { return ErrorAt(line_, what); }

  void SkipSpace() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) {
      if (text_[at_++] == '\n') ++line_;
    }
  }

  bool Take(char c) {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool TakeWord(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  absl::Status Value(Json& json, size_t depth) {
    SkipSpace();
    json.line = line_;
    if (depth > kJsonDepthMax) return Error("is nested too deeply");
    if (at_ >= text_.size()) return Error("ends in the middle");
    const char c = text_[at_];
    if (c == '{') return Object(json, depth);
    if (c == '[') return Array(json, depth);
    if (c == '"') {
      json.kind = Json::Kind::kString;
      return String(json.text);
    }
    if (TakeWord("true") || TakeWord("false")) {
      json.kind = Json::Kind::kBool;
      json.boolean = c == 't';
      return absl::OkStatus();
    }
    if (TakeWord("null")) return absl::OkStatus();
    return Number(json);
  }

  absl::Status Number(Json& json) {
    const size_t begin = at_;
    while (at_ < text_.size() &&
           std::string_view("+-0123456789.eE").find(text_[at_]) != text_.npos) {
      ++at_;
    }
    json.kind = Json::Kind::kNumber;
    json.text = text_.substr(begin, at_ - begin);
    double ignored = 0;
    if (json.text.empty() || json.text[0] == '+' || !absl::SimpleAtod(json.text, &ignored)) {
      return Error("a value is expected here");
    }
    return absl::OkStatus();
  }

  absl::Status String(std::string& to) {
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return absl::OkStatus();
      }
      if (static_cast<unsigned char>(c) < 0x20) return Error("a line ends inside a string");
      if (c != '\\') {
        to.push_back(c);
        continue;
      }
      if (++at_ >= text_.size()) break;
      const std::string_view from = "\"\\/bfnrt";
      const size_t escape = from.find(text_[at_]);
      if (escape != from.npos) {
        to.push_back("\"\\/\b\f\n\r\t"[escape]);
      } else if (text_[at_] == 'u') {
        uint32_t point = 0;
        const std::string digits(text_.substr(at_ + 1, 4));
        if (digits.size() != 4 || !absl::SimpleHexAtoi(digits, &point)) {
          return Error("\\u wants four hex digits");
        }
        AppendUtf8(point, to);
        at_ += 4;
      } else {
        return Error("does not understand an escape");
      }
    }
    return Error("a string does not end");
  }

  absl::Status Array(Json& json, size_t depth) {
    json.kind = Json::Kind::kArray;
    ++at_;
    if (Take(']')) return absl::OkStatus();
    do {
      json.items.emplace_back();
      TIDEMARK_RETURN_IF_ERROR(Value(json.items.back(), depth + 1));
    } while (Take(','));
    return Take(']') ? absl::OkStatus() : Error("',' or ']' is expected here");
  }

  absl::Status Object(Json& json, size_t depth) {
    json.kind = Json::Kind::kObject;
    ++at_;
    if (Take('}')) return absl::OkStatus();
    do {
      SkipSpace();
      if (at_ >= text_.size() || text_[at_] != '"') return Error("a name in quotes is expected");
      std::string name;
      TIDEMARK_RETURN_IF_ERROR(String(name));
      if (json.Find(name) != nullptr) return Error(absl::StrCat(name, " is there twice"));
      if (!Take(':')) return Error(absl::StrCat("':' is expected after ", name));
      Json value;
      TIDEMARK_RETURN_IF_ERROR(Value(value, depth + 1));
      json.members.push_back({.name = std::move(name), .value = std::move(value)});
    } while (Take(','));
    return Take('}') ? absl::OkStatus() : Error("',' or '}' is expected here");
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Json::Json() = default;
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

const Json* Json::Find(std::string_view name) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const Member& member) { return member.name == name; });
  return found == members.end() ? nullptr : &found->value;
}

absl::StatusOr<Json> ParseJson(std::string_view text) { return Parser(text).Document(); }

std::string JsonString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned>(c));
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

absl::Status JsonError(const Json& at, std::string_view what) { return ErrorAt(at.line, what); }

}  // namespace tidemark::sim
