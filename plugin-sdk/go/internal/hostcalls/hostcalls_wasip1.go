// Package hostcalls is the host's side of the plugin interface, version 1, with Go's
// types and nothing else: on wasm the imports, natively whatever a test has put there.
package hostcalls

import "unsafe"

// Emit sends bytes, at least one, to the client.
func Emit(bytes []byte) {
	emit(unsafe.Pointer(unsafe.SliceData(bytes)), uint32(len(bytes)))
}

// Log writes a line of level 0 to 4.
func Log(level int32, line string) {
	log(level, line)
}

// RequestField returns the length of the value, -1 if there is none, and writes it
// only if it fits.
func RequestField(name string, into []byte) int32 {
	return requestField(name, unsafe.Pointer(unsafe.SliceData(into)), uint32(len(into)))
}

// Config is as RequestField, for a value of the manifest.
func Config(key string, into []byte) int32 {
	return config(key, unsafe.Pointer(unsafe.SliceData(into)), uint32(len(into)))
}

// ResponseStatus returns -1 if the host does not take it.
func ResponseStatus(code uint32) int32 {
	return responseStatus(code)
}

// ResponseField returns -1 if the host does not take it.
func ResponseField(name, value string) int32 {
	return responseField(name, value)
}

// SetTimer sets the one timer, or cancels it with 0.
func SetTimer(milliseconds uint32) {
	setTimer(milliseconds)
}

// A string is passed as two parameters: address and length.

//go:wasmimport wasmplex emit
//go:noescape
func emit(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport wasmplex log
//go:noescape
func log(level int32, line string)

//go:wasmimport wasmplex request_field
//go:noescape
func requestField(name string, into unsafe.Pointer, capacity uint32) int32

//go:wasmimport wasmplex config
//go:noescape
func config(key string, into unsafe.Pointer, capacity uint32) int32

//go:wasmimport wasmplex response_status
//go:noescape
func responseStatus(code uint32) int32

//go:wasmimport wasmplex response_field
//go:noescape
func responseField(name, value string) int32

//go:wasmimport wasmplex set_timer
//go:noescape
func setTimer(milliseconds uint32) int32
