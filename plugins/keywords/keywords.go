// Package keywords finds out what a text is about: RAKE (Rose, Engel, Cramer and Cowley, "Automatic keyword extraction
// from individual documents", 2010), with the standard library alone.
package keywords

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode"

	wit "keywords/gen/wit_world"
)

// Phrases of more words are sentences without stop words: lists, code, other languages.
const wordsMax = 5

// Keywords lists the phrases with the highest scores.
func Keywords(text string, count uint32) ([]wit.Keyword, error) {
	if count == 0 {
		return nil, errors.New("count is 0")
	}
	phrases := phrasesOf(text)
	frequency, degree := map[string]int{}, map[string]int{}
	for _, phrase := range phrases {
		for _, word := range phrase {
			frequency[word]++
			degree[word] += len(phrase)
		}
	}
	found := map[string]*wit.Keyword{}
	for _, phrase := range phrases {
		name := strings.Join(phrase, " ")
		if keyword, ok := found[name]; ok {
			keyword.Count++
			continue
		}
		keyword := &wit.Keyword{Phrase: name, Count: 1}
		for _, word := range phrase {
			keyword.Score += float64(degree[word]) / float64(frequency[word])
		}
		found[name] = keyword
	}
	return best(found, int(count)), nil
}

// A map has no order of its own: everything that decides on the result is compared.
func best(found map[string]*wit.Keyword, count int) []wit.Keyword {
	all := make([]wit.Keyword, 0, len(found))
	for _, keyword := range found {
		all = append(all, *keyword)
	}
	slices.SortFunc(all, func(a, b wit.Keyword) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Phrase, b.Phrase))
	})
	return all[:min(count, len(all))]
}

// phrasesOf lists the runs of words that no stop word and no punctuation ends.
func phrasesOf(text string) [][]string {
	var phrases [][]string
	var phrase []string
	end := func() {
		if len(phrase) > 0 && len(phrase) <= wordsMax {
			phrases = append(phrases, phrase)
		}
		phrase = nil
	}
	for len(text) > 0 {
		word, gap, rest := nextWord(text)
		text = rest
		if strings.ContainsFunc(gap, isBorder) {
			end()
		}
		if word == "" {
			continue
		}
		if word = strings.ToLower(word); stopWords[word] || !strings.ContainsFunc(word, unicode.IsLetter) {
			end()
		} else {
			phrase = append(phrase, word)
		}
	}
	end()
	return phrases
}

// nextWord cuts a text into what is before a word, the word, and the rest.
func nextWord(text string) (word, gap, rest string) {
	start := strings.IndexFunc(text, isOfWord)
	if start < 0 {
		return "", text, ""
	}
	end := strings.IndexFunc(text[start:], func(r rune) bool { return !isOfWord(r) && !isInside(r) })
	if end < 0 {
		end = len(text) - start
	}
	// What may stand inside of a word does not end one.
	word = strings.TrimRightFunc(text[start:start+end], isInside)
	return word, text[:start], text[start+len(word):]
}

func isOfWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

func isInside(r rune) bool { return r == '-' || r == '\'' || r == '’' }

// isBorder tells what ends a phrase from what only parts its words.
func isBorder(r rune) bool { return r == '\n' || r == '\t' || !unicode.IsSpace(r) }
