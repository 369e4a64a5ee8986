//go:build !wasip1

package wasmplex_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"wasmplex"
	"wasmplex/wasmplextest"
)

// numbered puts a number before each line.
type numbered struct {
	lines wasmplex.Lines
	count int
}

func (p *numbered) OnChunk(chunk []byte) (wasmplex.Action, error) {
	return wasmplex.GoOn, p.lines.Feed(chunk, p.onLine)
}

func (p *numbered) OnEnd() error { return p.lines.End(p.onLine) }

func (p *numbered) onLine(line []byte) error {
	p.count++
	wasmplex.EmitString(fmt.Sprint(p.count, " "))
	wasmplex.Emit(line)
	return nil
}

func TestLinesHoweverTheBodyIsCut(t *testing.T) {
	for body, want := range map[string]string{
		"":                       "",
		"\n":                     "1 \n",
		"\n\n":                   "1 \n2 \n",
		"one":                    "1 one",
		"one\ntwo\r\n\nlast\xff": "1 one\n2 two\r\n3 \n4 last\xff",
	} {
		create := func() wasmplex.Plugin { return new(numbered) }
		if got := wasmplextest.Run(t, create, body).Body; got != want {
			t.Errorf("%q: got %q, want %q", body, got, want)
		}
	}
}

func TestALineMayBeChangedInPlace(t *testing.T) {
	var lines wasmplex.Lines
	var got []byte
	upper := func(line []byte) error {
		copy(line, bytes.ToUpper(line))
		got = append(got, line...)
		return nil
	}
	for _, chunk := range []string{"a", "b\nc\nd", "", "e\nf", "\ng"} {
		if err := lines.Feed([]byte(chunk), upper); err != nil {
			t.Fatal(err)
		}
	}
	if err := lines.End(upper); err != nil || string(got) != "AB\nC\nDE\nF\nG" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTheBoundOfALine(t *testing.T) {
	for _, max := range []int{0, 1, 5} {
		bound := max
		if max == 0 {
			bound = wasmplex.MaxLine
		}
		for cut := 0; cut <= bound; cut += 1 + bound/7 {
			for over, want := range []error{nil, wasmplex.ErrLineTooLong} {
				line := []byte(strings.Repeat("x", bound+over) + "\n")
				lines, seen := wasmplex.Lines{Max: max}, 0
				count := func(line []byte) error { seen += len(line); return nil }
				err := errors.Join(lines.Feed(line[:cut], count), lines.Feed(line[cut:], count))
				if !errors.Is(err, want) || want == nil && seen != len(line) {
					t.Errorf("Max %d, %d bytes cut at %d: got %v and %d", max, bound+over, cut, err, seen)
				}
			}
		}
	}
}

func TestAnErrorStopsAtOnce(t *testing.T) {
	var lines wasmplex.Lines
	stop, calls := errors.New("stop"), 0
	err := lines.Feed([]byte("a\nb\nc\n"), func([]byte) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func BenchmarkLines(b *testing.B) {
	chunk := bytes.Repeat([]byte(strings.Repeat("x", 79)+"\n"), 800)
	b.SetBytes(int64(len(chunk)))
	var lines wasmplex.Lines
	for b.Loop() {
		if err := lines.Feed(chunk, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
