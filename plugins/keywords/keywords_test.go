package keywords

import (
	"slices"
	"testing"
)

func TestKeywords(t *testing.T) {
	keywords, err := Keywords("The memory limit of a plugin is small. A memory limit, and a plugin!", 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(keywords) != 2 || keywords[0].Phrase != "memory limit" || keywords[0].Count != 2 || keywords[0].Score != 4 {
		t.Errorf("%+v", keywords)
	}
	if keywords[1].Phrase != "plugin" {
		t.Errorf("%+v", keywords[1])
	}
	if _, err := Keywords("x", 0); err == nil {
		t.Error("no failure")
	}
}

func TestSentences(t *testing.T) {
	got := Sentences("Dr. Who said: \"Go!\" Then he went. v1.2 is out, e.g. here…\n\nA title\n\nThe end")
	want := []string{"Dr. Who said: \"Go!\"", "Then he went. v1.2 is out, e.g. here…", "A title", "The end"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
