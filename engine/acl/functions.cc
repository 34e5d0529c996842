#include "engine/acl/functions.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace tidemark::acl {
namespace {

enum class Kind { kLiteral, kSegment, kAny };
struct Token {
  Kind kind;
  char literal;
};

std::vector<Token> Tokenize(std::string_view pattern, char open) {
  std::vector<Token> tokens;
  size_t i = 0;
  while (i < pattern.size()) {
    const char c = pattern[i];
    if (c == '*' && i > 0 && pattern[i - 1] == '/') {
      tokens.push_back({Kind::kAny, 0});
      ++i;
      continue;
    }
    const size_t slash = std::min(pattern.find('/', i), pattern.size());
    size_t end = std::string_view::npos;
    if (c == open && open == ':') end = slash;
    if (c == open && open == '{') {
      // A name has at least one character: the brace that closes it is not the next one.
      const size_t close = pattern.find('}', i + 2);
      if (close < slash) end = close + 1;
    }
    if (end != std::string_view::npos && end > i + 1) {
      tokens.push_back({Kind::kSegment, 0});
      i = end;
    } else {
      tokens.push_back({Kind::kLiteral, c});
      ++i;
    }
  }
  return tokens;
}

bool Match(std::string_view key, const std::vector<Token>& tokens) {
  const size_t count = tokens.size();
  // reached[j]: the key so far can be matched by the tokens before j. A segment that has begun
  // stays at its token with `inside` set.
  std::vector<bool> reached(count + 1, false);
  std::vector<bool> inside(count + 1, false);
  reached[0] = true;
  const auto skip_any = [&](std::vector<bool>& set) {
    for (size_t j = 0; j < count; ++j) {
      if (set[j] && tokens[j].kind == Kind::kAny) set[j + 1] = true;
    }
  };
  skip_any(reached);
  for (const char c : key) {
    std::vector<bool> next(count + 1, false);
    std::vector<bool> next_inside(count + 1, false);
    for (size_t j = 0; j < count; ++j) {
      switch (tokens[j].kind) {
        case Kind::kLiteral:
          if (reached[j] && tokens[j].literal == c) next[j + 1] = true;
          break;
        case Kind::kAny:
          if (reached[j]) next[j] = true;
          break;
        case Kind::kSegment:
          if ((reached[j] || inside[j]) && c != '/') {
            next_inside[j] = true;
            next[j + 1] = true;
          }
          break;
      }
    }
    skip_any(next);
    reached = std::move(next);
    inside = std::move(next_inside);
  }
  return reached[count];
}

}  // namespace

bool KeyMatch(std::string_view key, std::string_view pattern) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return key == pattern;
  return key.substr(0, star) == pattern.substr(0, star);
}

bool KeyMatch2(std::string_view key, std::string_view pattern) {
  return Match(key, Tokenize(pattern, ':'));
}

bool KeyMatch3(std::string_view key, std::string_view pattern) {
  return Match(key, Tokenize(pattern, '{'));
}

}  // namespace tidemark::acl
