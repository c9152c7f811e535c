// Porter's algorithm for English (M. F. Porter, "An algorithm for suffix stripping", Program 14 (3), 1980).
#pragma once

#include <stddef.h>

// Takes the ending off a word of the letters a to z, in place. Returns its new length, which is never more.
size_t porter_stem(char *word, size_t length);
