package compare

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/netrig/netrig/internal/journal"
)

// FuzzCompare compares journals of any content: written by another version of
// netrig, or by hand. A set of journals is like itself, and what is different is
// told in every form.
func FuzzCompare(f *testing.F) {
	const one = `{"version":1,"package":"p","test":"TestA","outcome":"pass","labs":[{"timers":"fast","steps":[{"name":"s","verbs":[{"verb":"Reachable","from":"a","to":"b","line":"a_test.go:1","saw":{"ttl":"64"}}],"packets":[{"at":"a:eth0","direction":"Out","flight":1,"during":1,"kind":"UDP","ttl":64},{"at":"b:eth0","direction":"In","flight":1,"during":7,"kind":"UDP"}]}],"nodes":[{"name":"a","objects":[{"kind":"route","name":"r","fields":{"via":"x"}}]}]}],"times":[{"what":"x","ms":1}]}`
	f.Add([]byte(one), []byte(one))
	f.Add([]byte(one), []byte(`{"version":1,"test":"TestA","outcome":"fail","labs":[{"steps":[]},{"nodes":[{}]}]}`))
	f.Add([]byte(one), []byte(`{"version":1,"test":"TestA","outcome":"pass","labs":[null]}`))
	f.Add([]byte(`{"version":1,"test":"TestA","outcome":"pass","labs":[{"steps":[null]}]}`), []byte(one))
	f.Add([]byte(`{"version":1,"test":"TestA","outcome":"pass","labs":[{"steps":[{"packets":[{"flight":-1,"during":-5}]}]}]}`), []byte(one))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, before, after []byte) {
		side := func(raw []byte) *journal.Folder {
			if err := os.WriteFile(filepath.Join(dir, "a.json"), raw, 0o600); err != nil {
				t.Fatal(err)
			}
			folder, err := journal.Read(dir)
			if err != nil {
				return nil
			}
			return folder
		}
		a, b := side(before), side(after)
		if a == nil || b == nil {
			return
		}
		o := Options{Factor: 2}
		if r, err := Compare([]*journal.Folder{a}, []*journal.Folder{a}, o); err == nil && r.Status != StatusSame {
			text, _ := json.Marshal(r)
			t.Fatalf("it differs from itself: %s", text)
		}
		r, err := Compare([]*journal.Folder{a}, []*journal.Folder{b}, o)
		if err != nil {
			return
		}
		for _, write := range []func(io.Writer) error{r.Text, r.JSON, r.Markdown} {
			if err := write(io.Discard); err != nil {
				t.Fatal(err)
			}
		}
	})
}
