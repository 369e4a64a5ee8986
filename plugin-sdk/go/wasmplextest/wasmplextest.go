//go:build !wasip1

// Package wasmplextest runs a wasmplex plugin natively, without a host, in go test.
//
//	func TestShout(t *testing.T) {
//		result := wasmplextest.Run(t, newShout, "hello")
//		if result.Body != "HELLO" {
//			t.Errorf("got %q", result.Body)
//		}
//	}
//
// The test host keeps to version 1 of the plugin interface as far as a plugin's logic
// can tell: order of the calls, when the head is out, which head fields are refused,
// chunks of at most 64 KiB and never empty. It has no limits of memory or time, sends
// no bytes anywhere, does not enforce content-length, and time passes in it only when
// [Exchange.FireTimer] says so. Tests may run in parallel: the plugin code of all of
// them takes turns.
package wasmplextest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wasmplex"
)

// Request is what the client asks for and what the manifest configures. The zero value
// is a POST of /plugin in HTTP/1.1 to a plugin called plugin, from 127.0.0.1:50000,
// with no fields and no configuration.
type Request struct {
	// Fields of the request head, by name in any case. The names :method, :path,
	// :query, :version, :peer and :plugin stand in place of the ones above.
	Fields map[string]string
	// Config is the config of the plugin's manifest.
	Config map[string]string
}

// Run is [Request.Run] for the zero [Request].
func Run(t testing.TB, create func() wasmplex.Plugin, body string) Result {
	t.Helper()
	return Request{}.Run(t, create, body)
}

// Run runs a plugin on this body in one chunk, byte by byte, and cut in two at each
// offset, a new plugin each time. The test fails unless the client gets the same from
// all of them, as chunk borders mean nothing. Returns the first result.
//
// The work grows with the square of the body, so keep it short; of one that is longer
// than 1,024 bytes only 1,024 offsets are tried.
func (r Request) Run(t testing.TB, create func() wasmplex.Plugin, body string) Result {
	t.Helper()
	whole := r.RunChunks(create, body)
	bytes := make([]string, len(body))
	for at := range bytes {
		bytes[at] = body[at : at+1]
	}
	whole.wantSame(t, r.RunChunks(create, bytes...), "byte by byte")
	for at := 1; at < len(body); at += 1 + len(body)/1024 {
		cut := r.RunChunks(create, body[:at], body[at:])
		whole.wantSame(t, cut, fmt.Sprintf("cut at %d", at))
	}
	return whole
}

// RunChunks runs a plugin on a body that comes in these chunks.
func (r Request) RunChunks(create func() wasmplex.Plugin, chunks ...string) Result {
	exchange := r.Open(create)
	for _, chunk := range chunks {
		exchange.Chunk(chunk)
	}
	return exchange.End()
}

// Open opens an exchange step by step: the plugin is made, and its OnOpen called.
func (r Request) Open(create func() wasmplex.Plugin) *Exchange {
	e := &Exchange{host: newHost(r)}
	e.host.enter(func() {
		e.plugin = create()
		if opener, ok := e.plugin.(wasmplex.Opener); ok {
			action, err := opener.OnOpen()
			e.opened(action, err)
		}
	})
	return e
}

// Do calls a function that uses what package wasmplex offers, with the response head
// not yet out. For testing parts of a plugin.
func (r Request) Do(call func()) Result {
	e := &Exchange{host: newHost(r)}
	e.host.enter(call)
	return e.End()
}

// Exchange is a request under way, with its body still open.
type Exchange struct {
	plugin wasmplex.Plugin
	host   *host
	state  state
	ending Ending
	err    error
	// hasBody says whether the request has a body, empty or not.
	hasBody bool
}

type state int

const (
	readingBody state = iota
	// passing: the rest of the body goes to the client as it is.
	passing
	// bodyEnded: only timers are left.
	bodyEnded
	over
)

// Chunk gives the plugin the next bytes of the body, in calls of at most
// [wasmplex.ChunkCapacity] bytes. A plugin that has ended is not called again.
func (e *Exchange) Chunk(bytes string) {
	e.hasBody = true
	for piece := range slices.Chunk([]byte(bytes), wasmplex.ChunkCapacity) {
		switch e.state {
		case readingBody:
			e.host.enter(func() {
				action, err := e.plugin.OnChunk(piece)
				e.next(action, err)
			})
		case passing:
			e.host.emitted = append(e.host.emitted, piece...)
		}
	}
}

// FireTimer lets the timer that the plugin has set fire now, however far away; it
// returns false if none is set.
func (e *Exchange) FireTimer() bool {
	handler, ok := e.plugin.(wasmplex.TimerHandler)
	isLive := e.state == readingBody || e.state == bodyEnded
	if !ok || !isLive || e.host.timer == 0 {
		return false
	}
	e.host.timer = 0
	e.host.enter(func() {
		action, err := handler.OnTimer()
		e.next(action, err)
	})
	return true
}

// Timer returns how long after being set the plugin's timer fires, 0 if none is set.
func (e *Exchange) Timer() time.Duration {
	return e.host.timer
}

// Body returns what has been emitted so far.
func (e *Exchange) Body() string {
	return string(e.host.emitted)
}

// EndBody completes the body, which calls OnEnd. A timer that was set during the body
// is cancelled; after one that is set in OnEnd, or earlier if there was no body to wait
// for, [Exchange.FireTimer] goes on.
func (e *Exchange) EndBody() {
	if e.hasBody {
		e.host.timer = 0
	}
	switch e.state {
	case readingBody:
		e.state = bodyEnded
		if ender, ok := e.plugin.(wasmplex.Ender); ok {
			e.host.enter(func() {
				if err := ender.OnEnd(); err != nil {
					e.reject(err)
				}
			})
		}
	case passing:
		e.state = over
	}
}

// End completes the body, if it is open, and the exchange. Timers do not fire any more.
func (e *Exchange) End() Result {
	e.EndBody()
	return e.host.result(e.ending, e.err)
}

func (e *Exchange) opened(action wasmplex.Action, err error) {
	if err == nil && action == wasmplex.Hold {
		return
	}
	e.next(action, err)
	if err == nil {
		e.host.headOut = true
	}
}

func (e *Exchange) next(action wasmplex.Action, err error) {
	isAfterBody := e.state == bodyEnded
	switch {
	case err != nil:
		e.reject(err)
	case action == wasmplex.GoOn:
	case action == wasmplex.Finish || action == wasmplex.Pass && isAfterBody:
		e.state = over
		// With the body complete there is nothing early in it.
		if !isAfterBody {
			e.ending = Early
		}
	case action == wasmplex.Pass:
		e.state = passing
		e.host.headOut = true
	default:
		panic(fmt.Sprintf("the plugin returned %d, which means nothing here", action))
	}
}

func (e *Exchange) reject(err error) {
	wasmplex.Log(wasmplex.LevelError, err.Error())
	e.state, e.ending, e.err = over, Rejected, err
}

// Result is what became of an exchange.
type Result struct {
	// Ending is how it ended.
	Ending Ending
	// Err is the error that the plugin rejected it with, or nil.
	Err error
	// Status is the response's status.
	Status int
	// Fields are those of the response head that the plugin set, in its order.
	Fields []Field
	// Body is what was emitted, in so many Emits of at least one byte.
	Body  string
	Emits int
	// Log has the lines that were logged, in order.
	Log []Line
}

// Field is a field of the response head.
type Field struct{ Name, Value string }

// Line is a line of the log.
type Line struct {
	Level wasmplex.Level
	Text  string
}

// Field returns the value of the first response field of that name, in any case, or "".
func (r Result) Field(name string) string {
	for _, field := range r.Fields {
		if strings.EqualFold(field.Name, name) {
			return field.Value
		}
	}
	return ""
}

func (r Result) wantSame(t testing.TB, other Result, how string) {
	t.Helper()
	if r.Body != other.Body {
		t.Errorf("the body differs: %q whole, %q %s", r.Body, other.Body, how)
	}
	if r.Ending != other.Ending || r.Status != other.Status || !slices.Equal(r.Fields, other.Fields) {
		t.Errorf("the response differs: %v %d %v whole, %v %d %v %s",
			r.Ending, r.Status, r.Fields, other.Ending, other.Status, other.Fields, how)
	}
}

// Ending is how an exchange ended.
type Ending int

const (
	// Clean: the body was complete and the plugin agreed.
	Clean Ending = iota
	// Early: the plugin finished the response before it had read the whole body.
	Early
	// Rejected: the plugin returned an error.
	Rejected
)

func (e Ending) String() string {
	return [...]string{"clean", "early", "rejected"}[e]
}
