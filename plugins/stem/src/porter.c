// The steps of the paper, in its order. A stem is measured by how often consonants follow vowels in it; an ending is
// taken off where enough of the word is left.

#include "porter.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
  char *text;
  size_t length;
} word;

// An ending and what takes its place.
typedef struct {
  const char *ending;
  const char *replacement;
} rule;

// Whether a letter is a consonant, where that of the letter before is known: `y` is one at the start and after a vowel.
static bool is_consonant(char letter, bool first, bool after_consonant) {
  if (letter == 'y') {
    return first || !after_consonant;
  }
  return strchr("aeiou", letter) == NULL;
}

// What the rules ask of the first `length` letters.
typedef struct {
  int measure;
  bool has_vowel;
  bool ends_double;    // in two equal consonants
  bool ends_short;     // in consonant, vowel, consonant, the last none of w, x and y
} shape;

static shape shape_of(const word *w, size_t length) {
  shape s = {0, false, false, false};
  bool one = false, two = false, three = false; // whether the last letters are consonants, the very last first
  for (size_t at = 0; at < length; at++) {
    bool now = is_consonant(w->text[at], at == 0, one);
    s.has_vowel |= !now;
    s.measure += at > 0 && now && !one;
    three = two;
    two = one;
    one = now;
  }
  const char *end = w->text + length;
  s.ends_double = length >= 2 && one && end[-1] == end[-2];
  s.ends_short = length >= 3 && one && !two && three && strchr("wxy", end[-1]) == NULL;
  return s;
}

// Whether the word has the ending; the length of what is before it.
static bool ends(const word *w, const char *ending, size_t *stem) {
  size_t length = strlen(ending);
  if (length > w->length || memcmp(w->text + w->length - length, ending, length) != 0) {
    return false;
  }
  *stem = w->length - length;
  return true;
}

static void replace(word *w, size_t stem, const char *replacement) {
  size_t length = strlen(replacement);
  memcpy(w->text + stem, replacement, length);
  w->length = stem + length;
}

// Takes the first rule whose ending the word has, if the measure of what is before it is more than `above`.
static void apply(word *w, const rule *rules, size_t count, int above) {
  for (size_t i = 0; i < count; i++) {
    size_t stem;
    if (ends(w, rules[i].ending, &stem)) {
      if (shape_of(w, stem).measure > above) {
        replace(w, stem, rules[i].replacement);
      }
      return;
    }
  }
}

// Plurals: `caresses`, `ponies`, `cats`.
static void step_1a(word *w) {
  static const rule rules[] = {{"sses", "ss"}, {"ies", "i"}, {"ss", "ss"}, {"s", ""}};
  apply(w, rules, sizeof rules / sizeof *rules, -1);
}

// `agreed`, `plastered`, `motoring`, and what they leave behind: `hop` of `hopping`, `file` of `filing`.
static void step_1b(word *w) {
  size_t stem;
  if (ends(w, "eed", &stem)) {
    if (shape_of(w, stem).measure > 0) {
      w->length--;
    }
    return;
  }
  if (!(ends(w, "ed", &stem) || ends(w, "ing", &stem)) || !shape_of(w, stem).has_vowel) {
    return;
  }
  w->length = stem;
  size_t ignored;
  if (ends(w, "at", &ignored) || ends(w, "bl", &ignored) || ends(w, "iz", &ignored)) {
    replace(w, stem, "e");
    return;
  }
  shape s = shape_of(w, stem);
  if (s.ends_double) {
    if (strchr("lsz", w->text[stem - 1]) == NULL) {
      w->length--;
    }
  } else if (s.measure == 1 && s.ends_short) {
    replace(w, stem, "e");
  }
}

// `happy` as `happi`.
static void step_1c(word *w) {
  size_t stem;
  if (ends(w, "y", &stem) && shape_of(w, stem).has_vowel) {
    w->text[stem] = 'i';
  }
}

static void step_2(word *w) {
  static const rule rules[] = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"}, {"izer", "ize"},
      {"abli", "able"},   {"alli", "al"},     {"entli", "ent"},   {"eli", "e"},     {"ousli", "ous"},
      {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},    {"alism", "al"},  {"iveness", "ive"},
      {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"}, {"biliti", "ble"},
  };
  apply(w, rules, sizeof rules / sizeof *rules, 0);
}

static void step_3(word *w) {
  static const rule rules[] = {
      {"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""},
  };
  apply(w, rules, sizeof rules / sizeof *rules, 0);
}

static void step_4(word *w) {
  size_t stem;
  // The only ending that looks at the letter before it.
  if (ends(w, "ion", &stem)) {
    if (stem > 0 && strchr("st", w->text[stem - 1]) != NULL && shape_of(w, stem).measure > 1) {
      w->length = stem;
    }
    return;
  }
  static const rule rules[] = {
      {"al", ""},  {"ance", ""}, {"ence", ""}, {"er", ""},  {"ic", ""},  {"able", ""},
      {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""}, {"ent", ""}, {"ou", ""},
      {"ism", ""}, {"ate", ""},  {"iti", ""},  {"ous", ""}, {"ive", ""}, {"ize", ""},
  };
  apply(w, rules, sizeof rules / sizeof *rules, 1);
}

// The last `e`, and one of two `l`.
static void step_5(word *w) {
  size_t stem;
  if (ends(w, "e", &stem)) {
    shape s = shape_of(w, stem);
    if (s.measure > 1 || (s.measure == 1 && !s.ends_short)) {
      w->length = stem;
    }
  }
  if (ends(w, "ll", &stem) && shape_of(w, w->length).measure > 1) {
    w->length--;
  }
}

size_t porter_stem(char *text, size_t length) {
  // Words of one or two letters stay: the paper leaves them open, Porter's own program says so.
  if (length <= 2) {
    return length;
  }
  word w = {text, length};
  step_1a(&w);
  step_1b(&w);
  step_1c(&w);
  step_2(&w);
  step_3(&w);
  step_4(&w);
  step_5(&w);
  return w.length;
}
