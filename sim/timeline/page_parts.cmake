# Makes the source that defines ThePageParts() (page_parts.h) of the files of page/:
#   cmake -DPAGE=DIR -DOUT=FILE -P page_parts.cmake
# The scripts are one file in the end, in this order: what comes later uses what comes before.
set(scripts data.js model.js search.js draw.js marks.js panel.js app.js)

file(READ ${PAGE}/page.html html)
file(READ ${PAGE}/style.css style)
set(script "")
foreach(name IN LISTS scripts)
  file(READ ${PAGE}/${name} text)
  string(APPEND script "${text}\n")
endforeach()

# A part is many literals side by side: compilers bound the length of one.
function(literal text out)
  set(result "")
  string(LENGTH "${text}" length)
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND result "R\"__(${piece})__\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(${out} "${result}" PARENT_SCOPE)
endfunction()

literal("${html}" html)
literal("${style}" style)
literal("${script}" script)
file(WRITE ${OUT} "// Made by sim/timeline/page_parts.cmake; edit sim/timeline/page instead.
#include \"sim/timeline/page_parts.h\"

namespace tidemark::sim {
PageParts ThePageParts() {
  return {.html = ${html}, .style = ${style}, .script = ${script}};
}
}  // namespace tidemark::sim
")
