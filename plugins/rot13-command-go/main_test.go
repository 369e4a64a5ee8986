package main

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

func TestEveryByteValue(t *testing.T) {
	var all, want [256]byte
	for i := range all {
		all[i], want[i] = byte(i), byte(i)
	}
	for i := range 13 {
		want['A'+i], want['N'+i] = byte('N'+i), byte('A'+i)
		want['a'+i], want['n'+i] = byte('n'+i), byte('a'+i)
	}
	if err := iotest.TestReader(rot13{bytes.NewReader(all[:])}, want[:]); err != nil {
		t.Error(err)
	}
}

func TestAnswersComeWhileTheInputIsOpen(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	go io.WriteString(typed, "Hello\n")
	answer := make([]byte, 1_000)
	if n, err := (rot13{in}).Read(answer); string(answer[:n]) != "Uryyb\n" || err != nil {
		t.Errorf("got %q, %v", answer[:n], err)
	}
}
