//go:build !wasip1

package wasmplextest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"wasmplex"
	"wasmplex/internal/hostcalls"
)

// host is everything that a plugin can ask of a host or leave with it.
type host struct {
	requestFields map[string]string // by lower-case name
	config        map[string]string
	// headOut: from then on the head cannot be changed.
	headOut bool
	status  int
	fields  []Field
	emitted []byte
	emits   int
	log     []Line
	timer   time.Duration
}

func newHost(request Request) *host {
	fields := map[string]string{
		":method":  "POST",
		":path":    "/plugin",
		":version": "HTTP/1.1",
		":peer":    "127.0.0.1:50000",
		":plugin":  "plugin",
	}
	for name, value := range request.Fields {
		fields[strings.ToLower(name)] = value
	}
	return &host{requestFields: fields, config: request.Config, status: http.StatusOK}
}

// turn is held while plugin code runs: hostcalls find their host by a global variable.
var turn sync.Mutex

// enter runs plugin code with this host behind its hostcalls.
func (h *host) enter(call func()) {
	turn.Lock()
	defer turn.Unlock()
	hostcalls.Current = h
	defer func() { hostcalls.Current = nil }()
	call()
}

func (h *host) result(ending Ending, err error) Result {
	if ending == Rejected && !h.headOut && h.status < http.StatusBadRequest {
		h.status = http.StatusInternalServerError
	}
	return Result{
		Ending: ending,
		Err:    err,
		Status: h.status,
		Fields: h.fields,
		Body:   string(h.emitted),
		Emits:  h.emits,
		Log:    h.log,
	}
}

func (h *host) Emit(bytes []byte) {
	h.headOut = true
	h.emitted = append(h.emitted, bytes...)
	h.emits++
}

func (h *host) Log(level int32, line string) {
	h.log = append(h.log, Line{wasmplex.Level(level), line})
}

func (h *host) RequestField(name string, into []byte) int32 {
	return copyOut(h.requestFields, strings.ToLower(name), into)
}

func (h *host) Config(key string, into []byte) int32 {
	return copyOut(h.config, key, into)
}

func copyOut(values map[string]string, key string, into []byte) int32 {
	value, ok := values[key]
	if !ok {
		return refused
	}
	if len(value) <= len(into) {
		copy(into, value)
	}
	return int32(len(value))
}

func (h *host) ResponseStatus(code uint32) int32 {
	if h.headOut || code < 200 || code > 599 {
		return refused
	}
	h.status = int(code)
	return taken
}

func (h *host) ResponseField(name, value string) int32 {
	if h.headOut || !isSettable(name) || !isFieldValue(value) {
		return refused
	}
	// One value for each name, but cookies add up: they cannot be joined.
	if !strings.EqualFold(name, "set-cookie") {
		h.fields = slices.DeleteFunc(h.fields, func(field Field) bool {
			return strings.EqualFold(field.Name, name)
		})
	}
	h.fields = append(h.fields, Field{name, value})
	return taken
}

func (h *host) SetTimer(milliseconds uint32) {
	h.timer = time.Duration(milliseconds) * time.Millisecond
}

const taken, refused int32 = 0, -1

// isSettable says whether this is a field name (RFC 9110, 5.6.2) that a plugin may set.
func isSettable(name string) bool {
	isOther := func(char rune) bool {
		isAlphanumeric := 'a' <= char|0x20 && char|0x20 <= 'z' || '0' <= char && char <= '9'
		return !isAlphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", char)
	}
	isToken := name != "" && !strings.ContainsFunc(name, isOther)
	return isToken && !slices.Contains(hostsOwn, strings.ToLower(name))
}

func isFieldValue(value string) bool {
	isControl := func(char rune) bool { return char < ' ' && char != '\t' || char == 0x7f }
	return !strings.ContainsFunc(value, isControl) && strings.Trim(value, " \t") == value
}

// hostsOwn are the fields that frame the message, manage the connection or are always
// the host's.
var hostsOwn = []string{
	"connection",
	"date",
	"http2-settings",
	"keep-alive",
	"proxy-connection",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"wasmplex-exchange",
}
