//go:build !wasip1

package wasmplextest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"wasmplex"
	"wasmplex/wasmplextest"
)

// obedient does what the configuration says.
type obedient struct{}

var actions = map[string]wasmplex.Action{
	"go on": wasmplex.GoOn, "finish": wasmplex.Finish, "pass": wasmplex.Pass, "hold": wasmplex.Hold,
}

func obey(key string) (wasmplex.Action, error) {
	order, _ := wasmplex.Config(key)
	if order == "" {
		return wasmplex.GoOn, nil
	}
	if action, ok := actions[order]; ok {
		return action, nil
	}
	return 0, errors.New(order)
}

func (obedient) OnOpen() (wasmplex.Action, error) {
	if order, _ := wasmplex.Config("open"); order == "not here" {
		if err := wasmplex.ResponseStatus(404); err != nil {
			return 0, err
		}
	}
	return obey("open")
}

func (obedient) OnChunk(chunk []byte) (wasmplex.Action, error) {
	if err := wasmplex.ResponseStatus(202); err != nil {
		wasmplex.Log(wasmplex.LevelDebug, "late")
	}
	wasmplex.EmitString("[" + string(chunk) + "]")
	return obey("chunk")
}

func (obedient) OnEnd() error {
	_, err := obey("end")
	return err
}

func TestEachWayThroughAnExchange(t *testing.T) {
	for _, c := range []struct{ open, chunk, end, want string }{
		{"", "", "", "clean 200 [ab][c]"},
		{"hold", "", "", "clean 202 [ab][c]"},
		{"finish", "", "", "early 200 "},
		{"pass", "", "", "clean 200 abc"},
		{"not here", "", "", "rejected 404 "},
		{"anything", "", "", "rejected 500 "},
		{"", "finish", "", "early 200 [ab]"},
		{"hold", "finish", "", "early 202 [ab]"},
		{"", "pass", "", "clean 200 [ab]c"},
		{"", "no", "", "rejected 200 [ab]"},
		{"", "", "no", "rejected 200 [ab][c]"},
	} {
		request := wasmplextest.Request{
			Config: map[string]string{"open": c.open, "chunk": c.chunk, "end": c.end},
		}
		create := func() wasmplex.Plugin { return obedient{} }
		result := request.RunChunks(create, "ab", "", "c")
		if got := fmt.Sprint(result.Ending, " ", result.Status, " ", result.Body); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
		if isRejected := result.Ending == wasmplextest.Rejected; isRejected != (result.Err != nil) {
			t.Errorf("%+v: ended %v with %v", c, result.Ending, result.Err)
		}
	}
}

func TestChunksAreAtMost64KiB(t *testing.T) {
	exchange := wasmplextest.Request{}.Open(func() wasmplex.Plugin { return obedient{} })
	exchange.Chunk(strings.Repeat("x", wasmplex.ChunkCapacity+1))
	if body := exchange.Body(); !strings.HasSuffix(body, "x][x]") {
		t.Errorf("it ends with %q", body[len(body)-5:])
	}
}

// failing records instead of failing the test that it stands in for.
type failing struct {
	testing.TB
	errors []string
}

func (t *failing) Helper() {}

func (t *failing) Errorf(format string, args ...any) {
	t.errors = append(t.errors, fmt.Sprintf(format, args...))
}

func TestAPluginThatDependsOnBordersIsCaught(t *testing.T) {
	caught := &failing{}
	wasmplextest.Run(caught, func() wasmplex.Plugin { return obedient{} }, "ab")
	want := `the body differs: "[ab]" whole, "[a][b]" byte by byte`
	if len(caught.errors) != 2 || caught.errors[0] != want {
		t.Errorf("got %q", caught.errors)
	}
}

func TestParallelExchanges(t *testing.T) {
	for n := range 20 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprint("x-", n)
			request := wasmplextest.Request{Fields: map[string]string{name: "here"}}
			request.Do(func() {
				if got, _ := wasmplex.RequestField(name); got != "here" {
					t.Errorf("%s: got %q", name, got)
				}
			})
		})
	}
}

func TestAHostcallOutsideOfAnExchange(t *testing.T) {
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "outside of an exchange") {
			t.Errorf("got %s", text)
		}
	}()
	wasmplex.EmitString("x")
}
