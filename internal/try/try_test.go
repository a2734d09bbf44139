package try

import (
	"path"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A method that standIn does not override would be called on a nil interface.
func TestEveryMethodIsOverridden(t *testing.T) {
	want := reflect.TypeFor[testing.TB]()
	got := reflect.TypeFor[*standIn]()
	for i := range want.NumMethod() {
		m := want.Method(i)
		if m.PkgPath != "" {
			continue // unexported: "private", which keeps others from implementing TB
		}
		own, ok := got.MethodByName(m.Name)
		require.True(t, ok, m.Name)
		assert.True(t, declared(own), "%s is promoted from the nil interface", m.Name)
	}
}

// declared tells an own method from a promoted one: the wrapper that the
// compiler makes for a promoted one has no source file.
func declared(m reflect.Method) bool {
	file, _ := runtime.FuncForPC(m.Func.Pointer()).FileLine(m.Func.Pointer())
	return path.Base(file) == "try.go"
}

func TestResults(t *testing.T) {
	var order []string
	r := Run("x", func(t testing.TB) {
		t.Cleanup(func() { order = append(order, "first") })
		t.Cleanup(func() { order = append(order, "second"); t.Fatal("in a cleanup") })
		helper(t)
		order = append(order, "not reached")
	})
	assert.True(t, r.Failed)
	assert.Equal(t, []string{"second", "first"}, order)
	require.Len(t, r.Lines, 2)
	assert.Equal(t, "try_test.go", r.Lines[0].File)
	assert.Equal(t, "bad 1", r.Lines[0].Text)
	assert.Equal(t, r.Lines[1].Line+1, r.Lines[0].Line, "the helper's own line is passed over: its caller stands one line below the cleanup")

	r = Run("x", func(t testing.TB) { t.Skipf("no %s", "reason") })
	assert.True(t, r.Skipped)
	assert.False(t, r.Failed)

	r = Run("x", func(testing.TB) { runtime.Goexit() })
	assert.True(t, r.Failed, "a goroutine that is ended by others is no pass")

	r = Run("x", func(testing.TB) { panic("boom") })
	assert.True(t, r.Failed)
	assert.Equal(t, "boom", r.Panic)
	assert.Contains(t, r.Stack, "TestResults")

	r = Run("x", func(t testing.TB) { t.Log("fine") })
	assert.False(t, r.Failed)
	assert.Contains(t, r.Log(), "try_test.go:")
}

func helper(t testing.TB) {
	t.Helper()
	t.Fatalf("bad %d", 1)
}
