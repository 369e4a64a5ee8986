// Package wasmplex is for writing wasmplex plugins in Go.
//
// A plugin turns the body of one HTTP request into the body of its response, while
// the request is still arriving. Implement [Plugin] and name it in an init function:
//
//	package main
//
//	import (
//		"bytes"
//
//		"wasmplex"
//		"wasmplex/export"
//	)
//
//	// shout answers with the body in upper case.
//	type shout struct{}
//
//	func (shout) OnChunk(chunk []byte) (wasmplex.Action, error) {
//		wasmplex.Emit(bytes.ToUpper(chunk))
//		return wasmplex.GoOn, nil
//	}
//
//	func init() { export.Plugin(func() wasmplex.Plugin { return shout{} }) }
//
//	func main() {} // never runs: the host calls what is exported
//
// and build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o shout.wasm .
//
// There is another way: an ordinary program from os.Stdin to os.Stdout, built
// without -buildmode, is a plugin as it is (a command). It may import this package
// for the request's and the response's head, but not package export.
//
// Everything here also compiles natively, where package wasmplextest stands in for
// the host, so that plugins are tested by go test.
package wasmplex

// ChunkCapacity is the length of the longest chunk, 64 KiB.
const ChunkCapacity = 65_536

// Plugin is one plugin running for one exchange (a request and its response).
//
// The host makes a fresh instance of the whole module for each exchange: fields and
// package variables are state of that exchange alone. It calls OnOpen (of an
// [Opener]) once, OnChunk for each chunk, and OnEnd (of an [Ender]) once if the body
// was complete; OnTimer (of a [TimerHandler]) comes in between. After [Finish],
// [Pass] or an error nothing more is called, nor when the client goes away.
//
// An error rejects the exchange: its text goes to the log, and the client gets an
// error response while the head is held back (the status that [ResponseStatus] set
// if that is 400 or above, else 500), otherwise a cut connection. A panic does the
// same.
//
// Goroutines run while one of these methods runs, and stand still between them.
type Plugin interface {
	// OnChunk is given the next 1 to [ChunkCapacity] bytes of the request body,
	// while the upload may still be open.
	//
	// Where the body is cut into chunks means nothing and differs from run to run.
	// The bytes may be changed in place; they are gone when OnChunk has returned.
	OnChunk(chunk []byte) (Action, error)
}

// Opener is a [Plugin] that wants to be called before the response head is out.
type Opener interface {
	// OnOpen is called once, before any of the body is read. It is the place for
	// [ResponseStatus] and [ResponseField]: the head leaves when OnOpen returns,
	// unless it returns [Hold].
	OnOpen() (Action, error)
}

// Ender is a [Plugin] that wants to be called when the request body is complete.
type Ender interface {
	// OnEnd emits what is still held back. It is not called after a body that broke
	// off.
	OnEnd() error
}

// TimerHandler is a [Plugin] that uses [SetTimer].
type TimerHandler interface {
	// OnTimer is called once for each timer that fires.
	OnTimer() (Action, error)
}

// Action says how the exchange goes on.
type Action int32

const (
	// GoOn sends the head, if OnOpen returns it, and asks for the next chunk.
	GoOn Action = 0
	// Finish ends the response; what is left of the body is not read. The client
	// still gets every byte emitted so far.
	Finish Action = 1
	// Pass copies the rest of the body through unchanged.
	Pass Action = 2
	// Hold, from OnOpen only, goes on but holds the head back until the first emit
	// or the end, so that status and fields can depend on the body.
	Hold Action = 3
)
