//go:build !wasip1

// Package hostcalls is the host's side of the plugin interface, version 1, with Go's
// types and nothing else: on wasm the imports, natively whatever a test has put there.
package hostcalls

// Host is what a plugin can ask of its host. The results are those of the interface:
// the length of a value or -1, and 0 or -1.
type Host interface {
	Emit(bytes []byte)
	Log(level int32, line string)
	RequestField(name string, into []byte) int32
	Config(key string, into []byte) int32
	ResponseStatus(code uint32) int32
	ResponseField(name, value string) int32
	SetTimer(milliseconds uint32)
}

// Current is the host of the call under way, nil between calls. Plugins are not told
// which exchange they run for, so there is one at a time.
var Current Host

func current() Host {
	if Current == nil {
		panic("a hostcall outside of an exchange: in tests use wasmplextest, Run for a plugin and Request.Do for parts of one")
	}
	return Current
}

// Emit sends bytes, at least one, to the client.
func Emit(bytes []byte) { current().Emit(bytes) }

// Log writes a line of level 0 to 4.
func Log(level int32, line string) { current().Log(level, line) }

// RequestField returns the length of the value, -1 if there is none, and writes it
// only if it fits.
func RequestField(name string, into []byte) int32 { return current().RequestField(name, into) }

// Config is as RequestField, for a value of the manifest.
func Config(key string, into []byte) int32 { return current().Config(key, into) }

// ResponseStatus returns -1 if the host does not take it.
func ResponseStatus(code uint32) int32 { return current().ResponseStatus(code) }

// ResponseField returns -1 if the host does not take it.
func ResponseField(name, value string) int32 { return current().ResponseField(name, value) }

// SetTimer sets the one timer, or cancels it with 0.
func SetTimer(milliseconds uint32) { current().SetTimer(milliseconds) }
