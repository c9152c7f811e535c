// Package plugin has the functions of wit/world.wit, under their names in Go. Records and other types of it are in
// local/plugin-name/gen/wit_world, which `flowstone build` makes.
package plugin

import (
	"errors"
	"strings"
)

// Count tells how many words a text has.
func Count(text string) uint32 {
	return uint32(len(strings.Fields(text)))
}

// Summary gives the first words of a text. An error is the `err` of a result.
func Summary(text string, words uint32) (string, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return "", errors.New("there are no words")
	}
	return strings.Join(fields[:min(int(words), len(fields))], " "), nil
}
