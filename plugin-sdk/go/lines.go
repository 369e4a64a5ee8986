package wasmplex

import (
	"bytes"
	"errors"
)

// MaxLine is the longest line that [Lines] takes if it has no bound of its own: 64 KiB.
const MaxLine = 65_536

// ErrLineTooLong says that a line is longer than the bound of the [Lines] it was fed to.
var ErrLineTooLong = errors.New("a line is too long")

// Lines cuts a body into lines, the same ones wherever it is cut into chunks.
//
//	func (p *plugin) OnChunk(chunk []byte) (wasmplex.Action, error) {
//		return wasmplex.GoOn, p.lines.Feed(chunk, p.onLine)
//	}
//
//	func (p *plugin) OnEnd() error { return p.lines.End(p.onLine) }
//
// A line that lies within one chunk is handed on from there, not copied. Of one that
// does not, at most Max bytes are kept. The zero value is ready for use.
type Lines struct {
	// Max is the length of the longest line in bytes, its "\n" not counted; zero
	// stands for [MaxLine].
	Max int

	// rest is the beginning of the line under way: no "\n" in it, at most Max bytes.
	rest []byte
}

// Feed calls each for each line that is complete with this chunk, in order.
//
// A line is given with its "\n" at the end (and the "\r" before it, if any). It may
// be changed in place, and is gone when each has returned. The first error of each
// is returned at once, and [ErrLineTooLong] as soon as a line has more than Max
// bytes; after an error nothing more can be fed.
func (l *Lines) Feed(chunk []byte, each func(line []byte) error) error {
	for len(chunk) > 0 {
		length := bytes.IndexByte(chunk, '\n')
		isWhole := length >= 0
		if !isWhole {
			length = len(chunk)
		}
		if length > l.bound()-len(l.rest) {
			return ErrLineTooLong
		}
		if !isWhole {
			l.rest = append(l.rest, chunk...)
			return nil
		}
		line := chunk[:length+1]
		chunk = chunk[length+1:]
		if len(l.rest) > 0 {
			line = append(l.rest, line...)
			l.rest = line[:0]
		}
		if err := each(line); err != nil {
			return err
		}
	}
	return nil
}

// End calls each for a last line that has no "\n", if there is one.
func (l *Lines) End(each func(line []byte) error) error {
	if len(l.rest) == 0 {
		return nil
	}
	line := l.rest
	l.rest = nil
	return each(line)
}

func (l *Lines) bound() int {
	if l.Max > 0 {
		return l.Max
	}
	return MaxLine
}
