// The functions of wit/world.wit. gen/plugin_name.h declares them, with the types that they take and give; it is made
// by `flowstone build`.

#include "plugin_name.h"

#include <ctype.h>

// Where the word ends that begins at or after `at`; the end of the text where there is none.
static size_t word_end(const plugin_name_string_t *text, size_t at, bool *found) {
  while (at < text->len && isspace(text->ptr[at])) {
    at++;
  }
  *found = at < text->len;
  while (at < text->len && !isspace(text->ptr[at])) {
    at++;
  }
  return at;
}

uint32_t exports_plugin_name_count(plugin_name_string_t *text) {
  uint32_t count = 0;
  bool found;
  for (size_t at = word_end(text, 0, &found); found; at = word_end(text, at, &found)) {
    count++;
  }
  // Arguments belong to the function.
  plugin_name_string_free(text);
  return count;
}

bool exports_plugin_name_summary(plugin_name_string_t *text, uint32_t words, plugin_name_string_t *ret,
                                 plugin_name_string_t *err) {
  size_t end = 0;
  bool found = false;
  for (uint32_t word = 0; word < words; word++) {
    size_t next = word_end(text, end, &found);
    if (!found) {
      break;
    }
    end = next;
  }
  if (end == 0) {
    plugin_name_string_free(text);
    plugin_name_string_dup(err, "there are no words");
    return false; // `err` is given
  }
  // Results belong to the caller: what was an argument may become one.
  text->len = end;
  *ret = *text;
  return true; // `ret` is given
}
