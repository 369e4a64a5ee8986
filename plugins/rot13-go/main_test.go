package main

import (
	"testing"

	"wasmplex"
	"wasmplex/wasmplextest"
)

func create() wasmplex.Plugin { return plugin{} }

func TestEveryByteValueAtEveryPlace(t *testing.T) {
	for shift := range 9 {
		body, want := make([]byte, 256+shift), make([]byte, 256+shift)
		for i := range body {
			b := byte(i - shift)
			body[i], want[i] = b, b
			switch {
			case 'A' <= b && b <= 'M', 'a' <= b && b <= 'm':
				want[i] += 13
			case 'N' <= b && b <= 'Z', 'n' <= b && b <= 'z':
				want[i] -= 13
			}
		}
		if got := wasmplextest.Run(t, create, string(body)).Body; got != string(want) {
			t.Errorf("shifted by %d: got %q", shift, got)
		}
	}
}

func TestOneEmitForEachChunk(t *testing.T) {
	result := wasmplextest.Request{}.RunChunks(create, "Hel", "lo")
	if result.Body != "Uryyb" || result.Emits != 2 {
		t.Errorf("got %q in %d emits", result.Body, result.Emits)
	}
}
