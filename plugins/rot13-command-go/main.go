// Rot13 copies its standard input to its standard output and moves every ASCII letter
// 13 places along the alphabet; all other bytes stay. An ordinary program: it runs
// in a shell, and in wasmplex as it is.
//
//	go run . <in >out
//	curl -sN -T . http://127.0.0.1:8080/rot13-command-go
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	// io.Copy writes what each read has brought at once, so that answers come while
	// the input is still open. With bufio they would wait for a full buffer.
	if _, err := io.Copy(os.Stdout, rot13{os.Stdin}); err != nil {
		fmt.Fprintln(os.Stderr, "rot13:", err) // a line of the host's log
		os.Exit(1)                             // and the response is cut
	}
}

// rot13 is what it reads from, with its letters moved.
type rot13 struct{ from io.Reader }

func (r rot13) Read(into []byte) (int, error) {
	n, err := r.from.Read(into)
	for i, b := range into[:n] {
		into[i] = table[b]
	}
	return n, err
}

// table has the answer to each byte value: a lookup is quicker than comparing.
var table = func() (table [256]byte) {
	for b := range table {
		table[b] = byte(b)
	}
	for place := range 26 {
		turned := byte(place+13) % 26
		table['A'+place] = 'A' + turned
		table['a'+place] = 'a' + turned
	}
	return table
}()
