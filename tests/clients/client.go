// A client of Go: net/http.
//
//	go run client.go http|upgrade bulk URL BODY ANSWER    posts a file, writes the answer to another
//	go run client.go http|upgrade lockstep URL ROUNDS     sends a line, waits for its rot13, and so on
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func rot13(c rune) rune {
	switch {
	case c >= 'a' && c <= 'm', c >= 'A' && c <= 'M':
		return c + 13
	case c >= 'n' && c <= 'z', c >= 'N' && c <= 'Z':
		return c - 13
	}
	return c
}

func try(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// open begins a full-duplex exchange.
func open(library, url string) (io.WriteCloser, io.ReadCloser) {
	if library == "upgrade" {
		request, err := http.NewRequest("GET", url, nil)
		try(err)
		request.Header.Set("Connection", "Upgrade")
		request.Header.Set("Upgrade", "wasmplex")
		response, err := http.DefaultClient.Do(request)
		try(err)
		// The body of a 101 is the connection itself.
		return response.Body.(io.WriteCloser), response.Body
	}
	reader, writer := io.Pipe()
	response, err := http.Post(url, "application/octet-stream", reader)
	try(err)
	return writer, response.Body
}

func main() {
	library, mode, url, rest := os.Args[1], os.Args[2], os.Args[3], os.Args[4:]
	if mode == "bulk" {
		body, err := os.ReadFile(rest[0])
		try(err)
		var answer []byte
		if library == "http" {
			response, err := http.Post(url, "application/octet-stream", bytes.NewReader(body))
			try(err)
			answer, err = io.ReadAll(response.Body)
			try(err)
		} else {
			to, from := open(library, url)
			go func() { _, err := to.Write(body); try(err) }()
			// There is no half-close here: the length has to be known.
			answer = make([]byte, len(body))
			_, err = io.ReadFull(from, answer)
			try(err)
		}
		try(os.WriteFile(rest[1], answer, 0o600))
	} else {
		rounds, err := strconv.Atoi(rest[0])
		try(err)
		to, from := open(library, url)
		lines := bufio.NewReader(from)
		for number := 0; number < rounds; number++ {
			line := fmt.Sprintf("line %d of many\n", number)
			_, err = io.WriteString(to, line)
			try(err)
			got, err := lines.ReadString('\n')
			try(err)
			if got != strings.Map(rot13, line) {
				try(fmt.Errorf("round %d: %s", number, got))
			}
		}
		try(to.Close())
	}
	fmt.Println("ok")
}
