// The functions of wit/world.wit. What they are given is theirs to free; what they return is freed by the caller.

#include "porter.h"
#include "stem.h"

#include <stdlib.h>
#include <string.h>

typedef stem_string_t string;

static void *need(size_t count, size_t size) {
  void *memory = calloc(count > 0 ? count : 1, size);
  if (memory == NULL) {
    abort();
  }
  return memory;
}

// Lower case, and without its ending where it is made of the letters a to z alone.
static string stem_of(const uint8_t *word, size_t length) {
  string stem = {need(length, 1), length};
  bool english = length > 0;
  for (size_t at = 0; at < length; at++) {
    uint8_t c = word[at];
    stem.ptr[at] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    english &= stem.ptr[at] >= 'a' && stem.ptr[at] <= 'z';
  }
  if (english) {
    stem.len = porter_stem((char *)stem.ptr, length);
  }
  return stem;
}

// What stands at a place of a text, and how many bytes it takes.
typedef enum { LETTER, APOSTROPHE, BORDER } kind;

static kind at_place(const string *text, size_t at, size_t *bytes) {
  const uint8_t *c = text->ptr + at;
  size_t left = text->len - at;
  *bytes = 1;
  if (*c < 0x80) {
    if (*c == '\'') {
      return APOSTROPHE;
    }
    bool digit = *c >= '0' && *c <= '9';
    bool letter = (*c | 0x20) >= 'a' && (*c | 0x20) <= 'z';
    return digit || letter ? LETTER : BORDER;
  }
  *bytes = *c < 0xE0 ? 2 : *c < 0xF0 ? 3 : 4;
  if (*bytes > left) {
    *bytes = left;
    return BORDER;
  }
  // U+2019, as typesetters write it.
  if (*bytes == 3 && memcmp(c, "\xE2\x80\x99", 3) == 0) {
    return APOSTROPHE;
  }
  // Punctuation: U+0080 to U+00BF, U+2000 to U+207F, U+3000 to U+303F.
  bool border = *c == 0xC2 || (*c == 0xE2 && c[1] < 0x82) || (*c == 0xE3 && c[1] == 0x80);
  return border ? BORDER : LETTER;
}

typedef struct {
  string *at;
  size_t count, room;
} stems;

static void add(stems *all, const string *text, size_t start, size_t end) {
  if (all->count == all->room) {
    all->room = all->room > 0 ? 2 * all->room : 64;
    all->at = realloc(all->at, all->room * sizeof *all->at);
    if (all->at == NULL) {
      abort();
    }
  }
  all->at[all->count++] = stem_of(text->ptr + start, end - start);
}

// A word is a run of letters and digits. An apostrophe ends it, and so does what follows: `dog's` is `dog`.
static stems stems_of(const string *text) {
  stems all = {NULL, 0, 0};
  size_t at = 0;
  while (at < text->len) {
    size_t start = at, bytes;
    kind found = BORDER;
    while (at < text->len && (found = at_place(text, at, &bytes)) == LETTER) {
      at += bytes;
    }
    if (at > start) {
      add(&all, text, start, at);
    }
    bool tail = found == APOSTROPHE && at > start;
    if (at < text->len) {
      at += bytes;
    }
    while (tail && at < text->len && at_place(text, at, &bytes) == LETTER) {
      at += bytes;
    }
  }
  return all;
}

static int by_alphabet(const void *left, const void *right) {
  const string *a = left, *b = right;
  int order = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);
  return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int by_count(const void *left, const void *right) {
  const stem_term_t *a = left, *b = right;
  if (a->count != b->count) {
    return a->count < b->count ? 1 : -1;
  }
  return by_alphabet(&a->stem, &b->stem);
}

void exports_stem_stem(string *word, string *ret) {
  *ret = stem_of(word->ptr, word->len);
  stem_string_free(word);
}

void exports_stem_stems(string *text, stem_list_string_t *ret) {
  stems all = stems_of(text);
  ret->ptr = all.at;
  ret->len = all.count;
  stem_string_free(text);
}

bool exports_stem_terms(string *text, uint32_t at_least, stem_list_term_t *ret, string *err) {
  if (at_least == 0) {
    stem_string_dup(err, "at-least is 0");
    return false;
  }
  stems all = stems_of(text);
  stem_string_free(text);
  if (all.count > 0) {
    qsort(all.at, all.count, sizeof *all.at, by_alphabet);
  }
  stem_term_t *terms = need(all.count, sizeof *terms);
  size_t kept = 0;
  for (size_t at = 0, next; at < all.count; at = next) {
    for (next = at + 1; next < all.count && by_alphabet(&all.at[at], &all.at[next]) == 0; next++) {
      stem_string_free(&all.at[next]);
    }
    if (next - at >= at_least) {
      terms[kept].stem = all.at[at];
      terms[kept++].count = (uint32_t)(next - at);
    } else {
      stem_string_free(&all.at[at]);
    }
  }
  free(all.at);
  if (kept > 0) {
    qsort(terms, kept, sizeof *terms, by_count);
  }
  ret->ptr = terms;
  ret->len = kept;
  return true;
}
