//go:build !wasip1

package wasmplex_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"wasmplex"
	"wasmplex/wasmplextest"
)

func TestValuesOfAnyLength(t *testing.T) {
	for _, length := range []int{0, 1, 255, 256, 257, 5_000} {
		value := strings.Repeat("x", length)
		request := wasmplextest.Request{
			Fields: map[string]string{"X-Name": value},
			Config: map[string]string{"key": value},
		}
		request.Do(func() {
			if got, ok := wasmplex.RequestField("x-nAME"); got != value || !ok {
				t.Errorf("a field of %d bytes: got %d, %v", length, len(got), ok)
			}
			if got, ok := wasmplex.Config("key"); got != value || !ok {
				t.Errorf("a config value of %d bytes: got %d, %v", length, len(got), ok)
			}
			if got, ok := wasmplex.RequestField("absent"); got != "" || ok {
				t.Errorf("an absent field: got %q, %v", got, ok)
			}
			if got, ok := wasmplex.Config("Key"); got != "" || ok {
				t.Errorf("a key in another case: got %q, %v", got, ok)
			}
		})
	}
}

func TestTheHeadUntilItIsOut(t *testing.T) {
	result := wasmplextest.Request{}.Do(func() {
		for _, code := range []int{-1, 0, 199, 600, 65_536 + 200} {
			if err := wasmplex.ResponseStatus(code); !errors.Is(err, wasmplex.ErrHead) {
				t.Errorf("status %d: got %v", code, err)
			}
		}
		for _, field := range [][2]string{
			{"", "v"}, {"two words", "v"}, {"Date", "v"}, {"transfer-encoding", "chunked"},
			{"x-a", "a\r\nb: c"}, {"x-a", "a\x00"}, {"x-a", " a"},
		} {
			if err := wasmplex.ResponseField(field[0], field[1]); !errors.Is(err, wasmplex.ErrHead) {
				t.Errorf("field %q: got %v", field, err)
			}
		}
		for _, set := range []error{
			wasmplex.ResponseStatus(201),
			wasmplex.ResponseField("X-A", "1"),
			wasmplex.ResponseField("x-a", "2"),
			wasmplex.ResponseField("set-cookie", "a=1"),
			wasmplex.ResponseField("set-cookie", "b=2"),
		} {
			if set != nil {
				t.Error(set)
			}
		}
		wasmplex.Emit(nil)
		wasmplex.EmitString("")
		if err := wasmplex.ResponseStatus(202); err != nil {
			t.Errorf("an empty emit sent the head: %v", err)
		}
		wasmplex.EmitString("x")
		if err := wasmplex.ResponseStatus(203); !errors.Is(err, wasmplex.ErrHead) {
			t.Errorf("after the head: got %v", err)
		}
	})
	want := "[{x-a 2} {set-cookie a=1} {set-cookie b=2}]"
	if got := fmt.Sprint(result.Fields); got != want || result.Status != 202 || result.Emits != 1 {
		t.Errorf("got %s, %d, %d emits", got, result.Status, result.Emits)
	}
}

func TestWriterAndLog(t *testing.T) {
	result := wasmplextest.Request{}.Do(func() {
		if n, err := fmt.Fprintf(wasmplex.Writer{}, "%d-%d", 1, 2); n != 3 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		wasmplex.Log(wasmplex.LevelTrace, "100%")
		wasmplex.Logf(wasmplex.LevelError, "%q", "a")
	})
	if result.Body != "1-2" {
		t.Errorf("got %q", result.Body)
	}
	if got := fmt.Sprint(result.Log); got != `[{0 100%} {4 "a"}]` {
		t.Errorf("got %s", got)
	}
}

func TestTimersAreRoundedUpAndNeverZero(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{
		-time.Second:                         time.Millisecond,
		0:                                    time.Millisecond,
		1:                                    time.Millisecond,
		1_001 * time.Microsecond:             2 * time.Millisecond,
		1_999 * time.Millisecond:             1_999 * time.Millisecond,
		wasmplex.MaxTimer:                    wasmplex.MaxTimer,
		1<<63 - 1:                            wasmplex.MaxTimer,
		wasmplex.MaxTimer - time.Nanosecond:  wasmplex.MaxTimer,
		wasmplex.MaxTimer - time.Millisecond: wasmplex.MaxTimer - time.Millisecond,
	} {
		exchange := wasmplextest.Request{}.Open(func() wasmplex.Plugin {
			wasmplex.SetTimer(after)
			return ticker{}
		})
		if got := exchange.Timer(); got != want {
			t.Errorf("SetTimer(%v): got %v, want %v", after, got, want)
		}
	}
}

// ticker emits a dot for each timer, three times from the body's end on.
type ticker struct{ left *int }

func (ticker) OnChunk([]byte) (wasmplex.Action, error) { return wasmplex.GoOn, nil }

func (p ticker) OnEnd() error {
	wasmplex.SetTimer(time.Second)
	return nil
}

func (p ticker) OnTimer() (wasmplex.Action, error) {
	wasmplex.EmitString(".")
	if *p.left--; *p.left == 0 {
		return wasmplex.Finish, nil
	}
	wasmplex.SetTimer(time.Second)
	return wasmplex.GoOn, nil
}

func TestTimersAfterTheBody(t *testing.T) {
	left := 3
	exchange := wasmplextest.Request{}.Open(func() wasmplex.Plugin { return ticker{&left} })
	exchange.Chunk("body")
	if exchange.FireTimer() {
		t.Error("a timer fired that nobody has set")
	}
	exchange.EndBody()
	for exchange.FireTimer() {
	}
	if result := exchange.End(); result.Body != "..." || result.Ending != wasmplextest.Clean {
		t.Errorf("got %q, %v", result.Body, result.Ending)
	}
}
