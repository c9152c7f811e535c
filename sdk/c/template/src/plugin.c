// The functions of wit/world.wit. gen/plugin_name.h declares them, with the types that they take and give; it is made
// by `flowstone build`.

#include "plugin_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

// Finds the word that begins at or after `at`. False where there is none.
static bool next_word(const plugin_name_string_t *text, size_t at, size_t *start, size_t *end) {
  while (at < text->len && isspace(text->ptr[at])) {
    at++;
  }
  *start = at;
  while (at < text->len && !isspace(text->ptr[at])) {
    at++;
  }
  *end = at;
  return *start < *end;
}

uint32_t exports_plugin_name_count(plugin_name_string_t *text) {
  uint32_t count = 0;
  size_t start, end = 0;
  while (next_word(text, end, &start, &end)) {
    count++;
  }
  // Arguments belong to the function.
  plugin_name_string_free(text);
  return count;
}

bool exports_plugin_name_summary(plugin_name_string_t *text, uint32_t words, plugin_name_string_t *ret,
                                 plugin_name_string_t *err) {
  size_t length = 0, start, end = 0;
  char *summary = malloc(text->len + 1);
  if (summary == NULL) {
    abort();
  }
  for (uint32_t word = 0; word < words && next_word(text, end, &start, &end); word++) {
    if (length > 0) {
      summary[length++] = ' ';
    }
    memcpy(summary + length, text->ptr + start, end - start);
    length += end - start;
  }
  plugin_name_string_free(text);
  if (length == 0) {
    free(summary);
    plugin_name_string_dup(err, "there are no words");
    return false; // `err` is given
  }
  // Results belong to the caller.
  ret->ptr = (uint8_t *)summary;
  ret->len = length;
  return true; // `ret` is given
}
