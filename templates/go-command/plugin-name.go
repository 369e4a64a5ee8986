// plugin-name: each word gets a capital.
//
// An ordinary program: what it reads from standard input is the body, what it writes to
// standard output is the response. A read gives what has arrived, and waits only while
// there is nothing; a write is with the client at once.
package main

import (
	"errors"
	"io"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	buffer := make([]byte, 64*1024)
	inWord := false
	for {
		length, err := os.Stdin.Read(buffer)
		inWord = capitalise(buffer[:length], inWord)
		if _, err := os.Stdout.Write(buffer[:length]); err != nil {
			log.Fatal(err)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

// capitalise gives each word a capital. It is told whether the byte before the first one
// belongs to a word, and tells the same of the last one.
func capitalise(piece []byte, inWord bool) bool {
	for at, char := range piece {
		if !inWord && char >= 'a' && char <= 'z' {
			piece[at] = char - 'a' + 'A'
		}
		inWord = isOfWord(char)
	}
	return inWord
}

// isOfWord is true for letters, digits, the apostrophe, and all bytes of characters
// beyond ASCII.
func isOfWord(char byte) bool {
	letter := char | 0x20
	return letter >= 'a' && letter <= 'z' || char >= '0' && char <= '9' || char == '\'' || char >= 0x80
}
