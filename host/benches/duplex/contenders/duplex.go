// Two contenders of the benchmark: full duplex by Go's net/http, once through http.Hijacker and once
// through http.ResponseController.EnableFullDuplex (Go 1.21 or later).
//
// Both do what the duplex contract of wasmplex asks for: the head leaves before the body is awaited, and
// what came of one read leaves before the next. Beyond that they are what a good Go engineer would
// write: buffers of 64 KiB from a pool, one write for what one read has brought.
//
//	duplex hijack | full-duplex
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strconv"
	"sync"
	"time"
)

// The most body bytes of one read.
const piece = 64 << 10

func main() {
	handlers := map[string]http.HandlerFunc{"hijack": hijack, "full-duplex": fullDuplex}
	if len(os.Args) != 2 || handlers[os.Args[1]] == nil {
		log.Fatal("usage: duplex hijack | full-duplex")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, handlers[os.Args[1]]))
}

var table = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
	}
	for i := byte(0); i < 26; i++ {
		table['a'+i] = 'a' + (i+13)%26
		table['A'+i] = 'A' + (i+13)%26
	}
	return table
}()

func rot13(bytes []byte) {
	for i, b := range bytes {
		bytes[i] = table[b]
	}
}

// ---- the server's own framing, both directions at once ----

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

func fullDuplex(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	if control.Flush() != nil {
		return
	}
	buffer := pieces.Get().(*[piece]byte)
	defer pieces.Put(buffer)
	for {
		n, err := r.Body.Read(buffer[:])
		rot13(buffer[:n])
		if _, failed := w.Write(buffer[:n]); failed != nil {
			return
		}
		if err == io.EOF {
			return // net/http flushes, and ends the response
		}
		if err != nil || control.Flush() != nil {
			panic(http.ErrAbortHandler) // the response must not look complete
		}
	}
}

// ---- the raw connection, and framing by hand ----

const (
	lastChunk = "0\r\n\r\n"
	// Before the bytes of a wire chunk: at most 10000, in hexadecimal digits, and CRLF.
	sizeLine = 5 + 2
)

// What a hijacked connection works with: a reader of the wire, and a wire chunk that goes out.
type buffers struct {
	wire  *bufio.Reader
	chunk [sizeLine + piece + len("\r\n"+lastChunk)]byte
}

var hijackBuffers = sync.Pool{
	New: func() any { return &buffers{wire: bufio.NewReaderSize(nil, piece)} },
}

// A hijacked connection cannot go back to the server: it serves one exchange, and closes.
func hijack(w http.ResponseWriter, r *http.Request) {
	conn, bufrw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	head := "HTTP/1.1 200 OK\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) +
		"\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		return
	}
	// Bytes that were read past the head are the first of the body.
	early, err := bufrw.Peek(bufrw.Reader.Buffered())
	if err != nil {
		return
	}
	b := hijackBuffers.Get().(*buffers)
	defer hijackBuffers.Put(b)
	b.wire.Reset(io.MultiReader(bytes.NewReader(early), conn))
	// Without an end that is said, the client sees a cut.
	_ = stream(conn, b, r)
}

func stream(conn net.Conn, b *buffers, r *http.Request) error {
	body := httputil.NewChunkedReader(b.wire)
	if r.ContentLength >= 0 {
		body = io.LimitReader(b.wire, r.ContentLength)
	}
	for {
		n, err := body.Read(b.chunk[sizeLine : sizeLine+piece])
		if err != nil && err != io.EOF {
			return err
		}
		wire := b.wireChunk(n)
		if err == nil {
			if _, err := conn.Write(wire); err != nil {
				return err
			}
			continue
		}
		if r.ContentLength < 0 {
			if err := skipTrailers(b.wire); err != nil {
				return err
			}
		}
		_, err = conn.Write(append(wire, lastChunk...))
		return err
	}
}

// A wire chunk around the n bytes that are in place, which are turned; nothing if there are none.
func (b *buffers) wireChunk(n int) []byte {
	if n == 0 {
		return b.chunk[:0]
	}
	rot13(b.chunk[sizeLine : sizeLine+n])
	var digits [sizeLine]byte
	line := append(strconv.AppendUint(digits[:0], uint64(n), 16), "\r\n"...)
	start := sizeLine - len(line)
	copy(b.chunk[start:], line)
	return append(b.chunk[start:sizeLine+n], "\r\n"...)
}

// To the end of the body, which httputil leaves unread: a close with unread bytes would be a reset.
func skipTrailers(wire *bufio.Reader) error {
	for {
		line, err := wire.ReadSlice('\n')
		if err != nil || len(bytes.TrimRight(line, "\r\n")) == 0 {
			return err
		}
	}
}
