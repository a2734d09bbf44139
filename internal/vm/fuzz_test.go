package vm

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/vm/wire"
)

// FuzzReceive hears what a machine says whose kernel has gone wild. Whatever it
// says, it comes to an end, and no file comes to lie outside of the directories
// from which files were asked for.
func FuzzReceive(f *testing.F) {
	say := func(records ...any) []byte {
		var b bytes.Buffer
		w := wire.NewWriter(&b)
		for i := 0; i < len(records); i += 2 {
			kind := records[i].(wire.Kind)
			if text, ok := records[i+1].(string); ok {
				_ = w.Send(kind, []byte(text))
			} else {
				_ = w.SendJSON(kind, records[i+1])
			}
		}
		return b.Bytes()
	}
	f.Add(say(wire.KindHello, wire.Hello{Release: "6.1"}, wire.KindOut, "ok", wire.KindEnd, wire.End{Status: 1}))
	f.Add(say(wire.KindHello, wire.Hello{}, wire.KindHello, wire.Hello{}, wire.KindEnd, wire.End{}))
	f.Add(say(wire.KindFile, wire.File{Path: "/in/x", Size: 3, Mode: 0o644}, wire.KindData, "abc", wire.KindData, "more", wire.KindNote, "note"))
	f.Add(say(wire.KindFile, wire.File{Path: "/in/../out/x", Size: -1}, wire.KindFile, wire.File{Path: "/in/x", Size: 9}, wire.KindFile, wire.File{Path: "/in/x/y"}))
	f.Add(say(wire.KindData, "nobody asked", wire.KindEnd, "{"))
	f.Add([]byte{'o', 0xff, 0xff, 0xff, 0xff})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, said []byte) {
		in := filepath.Join(dir, "in")
		if err := os.MkdirAll(in, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(in)
		r := newReceiver(&Config{Stdout: io.Discard, Stderr: io.Discard})
		r.returns = []wire.Return{{Dir: in}}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.read(bytes.NewReader(bytes.ReplaceAll(said, []byte("/in"), []byte(in))))
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatal("it still listens although nothing more comes")
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Fatalf("beside the directory are %v, %v", entries, err)
		}
	})
}

// FuzzConsole reads what a kernel prints, and what a crash is told by.
func FuzzConsole(f *testing.F) {
	for _, text := range []string{
		"[    1.2] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1\n[ 1.3] ---[ end trace\n", "Kernel panic - not syncing: x\r\n", "\x00\xff\n\n", "<3>[ 1.0][ T1] Oops\n" + strings.Repeat("x\n", 100), "[ 1.0",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &console{}
		c.read(bytes.NewReader(text))
		if len(c.tail) > tailLines || len(c.oops) > oopsLines || len(c.complaints) > 50 {
			t.Fatalf("it keeps %d, %d and %d lines", len(c.tail), len(c.oops), len(c.complaints))
		}
		if explain(c, "6.1", "qemu: exit status 1", "", 256, false).Error() == "" {
			t.Fatal("the crash is told by nothing")
		}
	})
}
