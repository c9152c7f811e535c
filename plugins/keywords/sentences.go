package keywords

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Abbreviations that end in a dot and are followed by a name or a number, in lower case.
var abbreviations = set("mr mrs ms dr prof st no vs fig eq ch sec vol e.g i.e cf approx")

// Sentences cuts a text after `.`, `!`, `?` or `…` where white space and something that can begin a sentence follows, and
// at empty lines.
func Sentences(text string) []string {
	sentences := []string{}
	start := 0
	add := func(end int) {
		if sentence := strings.TrimSpace(text[start:end]); sentence != "" {
			sentences = append(sentences, sentence)
		}
		start = end
	}
	for at, r := range text {
		after := at + utf8.RuneLen(r)
		switch {
		case at < start || r == utf8.RuneError:
		case r == '\n' && strings.HasPrefix(strings.TrimLeft(text[after:], " \t\r"), "\n"):
			add(after)
		case strings.ContainsRune(".!?…", r):
			if end := after + closing(text[after:]); begins(text[end:]) && !(r == '.' && isAbbreviation(text[start:at])) {
				add(end)
			}
		}
	}
	add(len(text))
	return sentences
}

// closing counts the bytes of quotes and brackets, which belong to the sentence before them.
func closing(rest string) int {
	return len(rest) - len(strings.TrimLeft(rest, "\"'”’»)]"))
}

// begins tells whether a sentence can begin with the text: after white space, and not with a small letter.
func begins(rest string) bool {
	trimmed := strings.TrimLeftFunc(rest, unicode.IsSpace)
	if len(trimmed) == len(rest) {
		return rest == ""
	}
	first, _ := utf8.DecodeRuneInString(trimmed)
	return !unicode.IsLower(first)
}

func isAbbreviation(sentence string) bool {
	word := sentence[strings.LastIndexFunc(sentence, unicode.IsSpace)+1:]
	word = strings.ToLower(strings.TrimLeft(word, "(\"'“‘"))
	initial := utf8.RuneCountInString(word) == 1 && word != "i"
	return initial || abbreviations[word]
}

func set(words string) map[string]bool {
	all := map[string]bool{}
	for _, word := range strings.Fields(words) {
		all[word] = true
	}
	return all
}
