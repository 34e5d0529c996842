#pragma once

#include <string_view>

namespace tidemark::sim {

// The files of sim/timeline/page, as they are there; the build makes the definition of it
// (page_parts.cmake).
struct PageParts {
  // Has one place each for style, script and data: "@style@", "@script@", "@data@".
  std::string_view html;
  std::string_view style;
  std::string_view script;
};

PageParts ThePageParts();

}  // namespace tidemark::sim
