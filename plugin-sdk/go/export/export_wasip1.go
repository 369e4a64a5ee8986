package export

import (
	"unsafe"

	"wasmplex"
)

// buffer is where the host puts the chunks. A package variable neither moves nor goes.
var buffer [wasmplex.ChunkCapacity]byte

// plugin is the one of this instance, which is for one exchange.
var plugin wasmplex.Plugin

//go:wasmexport chunk_buffer
func chunkBuffer(capacity uint32) unsafe.Pointer {
	if capacity > wasmplex.ChunkCapacity || createPlugin == nil {
		return nil
	}
	return unsafe.Pointer(&buffer)
}

//go:wasmexport on_open
func onOpen() int32 {
	plugin = createPlugin()
	if opener, ok := plugin.(wasmplex.Opener); ok {
		return code(opener.OnOpen())
	}
	return int32(wasmplex.GoOn)
}

//go:wasmexport on_chunk
func onChunk(chunk unsafe.Pointer, length uint32) int32 {
	start := uintptr(chunk) - uintptr(unsafe.Pointer(&buffer))
	end := start + uintptr(length)
	return code(plugin.OnChunk(buffer[start:end:end]))
}

//go:wasmexport on_timer
func onTimer() int32 {
	if handler, ok := plugin.(wasmplex.TimerHandler); ok {
		return code(handler.OnTimer())
	}
	return int32(wasmplex.GoOn)
}

//go:wasmexport on_end
func onEnd() int32 {
	if ender, ok := plugin.(wasmplex.Ender); ok {
		return code(wasmplex.GoOn, ender.OnEnd())
	}
	return int32(wasmplex.GoOn)
}

// code is the answer in the interface's numbers; an error's text goes to the log.
func code(action wasmplex.Action, err error) int32 {
	if err != nil {
		wasmplex.Log(wasmplex.LevelError, err.Error())
		return rejected
	}
	return int32(action)
}

const rejected = -1
