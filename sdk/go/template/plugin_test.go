package plugin

import "testing"

func TestCount(t *testing.T) {
	if got := Count("one two  three"); got != 3 {
		t.Errorf("got %d", got)
	}
}
