package wasmplex

import (
	"errors"
	"fmt"
	"math"
	"time"

	"wasmplex/internal/hostcalls"
)

// Emit sends bytes to the client, and before the first of them the response head if
// it is not out.
//
// It waits while the client does not read, so what a plugin emits needs no bound of
// its own. If the client goes away meanwhile it does not return: the instance ends.
// No bytes, no effect; an empty emit never ends the response. The bytes may be used
// again when it has returned.
func Emit(bytes []byte) {
	if len(bytes) > 0 {
		hostcalls.Emit(bytes)
	}
}

// EmitString is [Emit] for a string.
func EmitString(text string) {
	Emit([]byte(text))
}

// Writer is an [io.Writer] that emits. It never fails.
//
// Each Write is an emit of its own; package bufio makes fewer of many small ones. In
// a module os.Stdout does the same.
type Writer struct{}

// Write emits the bytes.
func (Writer) Write(bytes []byte) (int, error) {
	Emit(bytes)
	return len(bytes), nil
}

// Level is the weight of a line in the host's log.
type Level int32

const (
	// LevelTrace is for what happens step by step.
	LevelTrace Level = 0
	// LevelDebug is for what is of use to the plugin's author.
	LevelDebug Level = 1
	// LevelInfo is for what is of use to who runs the host.
	LevelInfo Level = 2
	// LevelWarn is for what is wrong while the exchange goes on.
	LevelWarn Level = 3
	// LevelError is for what makes the exchange fail.
	LevelError Level = 4
)

// Log writes a line to the host's log, which adds the plugin's name and the exchange.
//
// The host takes at most 4 KiB of a line and bounds their rate (100 at once, then 10
// a second): what is too much is dropped, never waited for. What is not UTF-8 is
// replaced.
func Log(level Level, line string) {
	hostcalls.Log(int32(level), line)
}

// Logf is [Log] with formatting as in package fmt.
func Logf(level Level, format string, args ...any) {
	Log(level, fmt.Sprintf(format, args...))
}

// RequestField returns a field of the request head, and whether the request has it.
//
// Names are case-insensitive. Several fields of one name come as one value, joined
// with ", ". The names :method, :path, :query, :version, :peer and :plugin work too.
// A value is bytes: HTTP does not promise that it is UTF-8.
func RequestField(name string) (value string, ok bool) {
	return ask(hostcalls.RequestField, name)
}

// Config returns a value of config in the plugin's manifest, and whether it is there.
func Config(key string) (value string, ok bool) {
	return ask(hostcalls.Config, key)
}

// ErrHead says that the host did not take a change to the response head, which is as
// it was: it is out already, or this may not stand in it.
var ErrHead = errors.New("the response head is out already, or this may not stand in it")

// ResponseStatus sets the response's status, 200 to 599; without it, 200. It fails
// with [ErrHead] once the head is out and for other codes.
func ResponseStatus(code int) error {
	if code < 0 || code > math.MaxUint16 {
		return ErrHead
	}
	return taken(hostcalls.ResponseStatus(uint32(code)))
}

// ResponseField sets a field of the response head, in place of an earlier one of that
// name (set-cookie alone adds).
//
// It fails with [ErrHead] once the head is out, if the name is not a field name or
// is the host's own (connection, transfer-encoding, date and others), if the value
// has CR, LF or another control character in it, and beyond 64 fields or 16 KiB.
// A content-length is accepted, and then enforced on what is emitted.
func ResponseField(name, value string) error {
	return taken(hostcalls.ResponseField(name, value))
}

// MaxTimer is the longest timer, 24 days and 20 hours.
const MaxTimer = math.MaxInt32 * time.Millisecond

// SetTimer has OnTimer (of a [TimerHandler]) called once, that long from now, body or
// no body. It replaces a timer that was set before.
//
// The end of a body cancels it; one that is set in OnEnd holds the response open
// until it has fired, and so does any in an exchange without a body. Counted in
// milliseconds, rounded up, from 1 ms to [MaxTimer], which stands for anything
// longer. It does nothing in a command, which has time.Sleep.
func SetTimer(after time.Duration) {
	hostcalls.SetTimer(timerMillis(after))
}

// CancelTimer takes back the timer that [SetTimer] set, if it has not fired.
func CancelTimer() {
	hostcalls.SetTimer(0)
}

func timerMillis(after time.Duration) uint32 {
	after = max(time.Millisecond, min(after, MaxTimer))
	return uint32((after + time.Millisecond - 1) / time.Millisecond)
}

// firstTry is longer than most values, so that one hostcall is enough for most.
const firstTry = 256

// ask gets a value of any length: the host tells the length (negative if there is no
// value) and has written it only if it fits.
func ask(hostcall func(name string, into []byte) int32, name string) (string, bool) {
	into := make([]byte, firstTry)
	for {
		length := int(hostcall(name, into))
		if length < 0 {
			return "", false
		}
		if length <= len(into) {
			return string(into[:length]), true
		}
		into = make([]byte, length)
	}
}

func taken(code int32) error {
	if code < 0 {
		return ErrHead
	}
	return nil
}
