// A peer of the differential test: Go's net/http.
//
// It answers each request with one field, x-record, as record.wat does. What it refuses is answered by
// net/http itself, or by refuse where only the body was bad. An incomplete request is not answered.
// It prints "ready PORT VERSION" and ends with its standard input.
package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
)

// The end of the connection in a trailer section, which has no name outside of net/http.
const trailerEOF = "http: unexpected EOF reading trailer"

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Handler:                      http.HandlerFunc(answer),
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0),
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println("ready", listener.Addr().(*net.TCPAddr).Port, strings.TrimPrefix(runtime.Version(), "go"))
	log.Fatal(server.Serve(listener))
}

func answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), err != nil && err.Error() == trailerEOF:
		panic(http.ErrAbortHandler) // the connection ends without an answer
	case err != nil:
		w.Header().Set("Connection", "close")
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	hash := fnv.New32a()
	_, _ = hash.Write(body)
	host := r.Host
	if host == "" {
		host = "-"
	}
	record := fmt.Sprintf("%s %s %08x %08x %s", r.Method, r.RequestURI, len(body), hash.Sum32(), host)
	w.Header().Set("X-Record", record)
	w.Header().Set("Content-Length", "0")
}
