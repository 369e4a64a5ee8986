// Rot13 moves every ASCII letter 13 places along the alphabet; all other bytes stay.
//
//	curl -sN -T . http://127.0.0.1:8080/rot13-go
package main

import (
	"encoding/binary"

	"wasmplex"
	"wasmplex/export"
)

// plugin has no state: a byte's answer does not depend on the bytes around it, so it
// does not matter where the body is cut into chunks.
type plugin struct{}

// OnChunk works in place in the chunk buffer, and emits from there.
func (plugin) OnChunk(chunk []byte) (wasmplex.Action, error) {
	rot13(chunk)
	wasmplex.Emit(chunk)
	return wasmplex.GoOn, nil
}

func rot13(text []byte) {
	for ; len(text) >= 8; text = text[8:] {
		binary.LittleEndian.PutUint64(text, rot13x8(binary.LittleEndian.Uint64(text)))
	}
	for i, b := range text {
		text[i] = byte(rot13x8(uint64(b)))
	}
}

// rot13x8 does eight bytes at once, each in its lane of a 64-bit number: Go has no
// vector instructions on wasm. A comparison is an addition that carries into the top
// bit of a lane; lanes hold at most 0x7f before it, so none carries into the next.
func rot13x8(bytes uint64) uint64 {
	const (
		each = 0x01_01_01_01_01_01_01_01 // times n: n in every lane
		top  = 0x80 * each
	)
	lower := bytes&^top | 0x20*each // upper case folded onto lower case
	fromA := lower + (0x80-'a')*each
	fromN := lower + (0x80-'n')*each
	pastZ := lower + (0x80-'z'-1)*each
	letters := fromA &^ pastZ &^ bytes & top
	forward := letters &^ fromN >> 7
	back := letters & fromN >> 7
	return bytes + 13*forward - 13*back
}

func init() { export.Plugin(func() wasmplex.Plugin { return plugin{} }) }

func main() {} // never runs: the host calls what is exported
