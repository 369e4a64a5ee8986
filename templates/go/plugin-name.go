// plugin-name: each word gets a capital.
package main

import (
	"wasmplex"
	"wasmplex/export"
)

// title is made for every exchange, and called for each chunk of the body while the
// upload is still open. Where a chunk begins and ends means nothing: what must last from
// one to the next is a field.
type title struct {
	// inWord says whether the byte before this one belongs to a word.
	inWord bool
}

func (t *title) OnChunk(chunk []byte) (wasmplex.Action, error) {
	for at, char := range chunk {
		if !t.inWord && char >= 'a' && char <= 'z' {
			chunk[at] = char - 'a' + 'A'
		}
		t.inWord = isOfWord(char)
	}
	wasmplex.Emit(chunk)
	return wasmplex.GoOn, nil
}

// isOfWord is true for letters, digits, the apostrophe, and all bytes of characters
// beyond ASCII.
func isOfWord(char byte) bool {
	letter := char | 0x20
	return letter >= 'a' && letter <= 'z' || char >= '0' && char <= '9' || char == '\'' || char >= 0x80
}

func init() { export.Plugin(func() wasmplex.Plugin { return &title{} }) }

func main() {} // never runs: the host calls what is exported
