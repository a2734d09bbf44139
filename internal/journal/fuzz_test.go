package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
)

// FuzzRead reads journals, which may be damaged, of another version, or no
// journals at all. An error names the file.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		`{"version":1,"package":"p","test":"TestA","outcome":"pass","labs":[{"steps":[{"verbs":[{"verb":"Reachable"}],"packets":[{"at":"a:b","flight":1,"during":1}]}],"nodes":[{"name":"a","objects":[{"kind":"route","name":"r"}]}]}]}`,
		`{"version":1,"sysctls":{"net.ipv4.ip_forward":"0"}}`, `{}`, `null`, `[]`, `{"version":1,"test":"T","labs":[null]}`, `{"version":1,"sysctls":null,"test":3}`,
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "a.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		folder, err := Read(dir)
		switch {
		case err != nil:
			if !strings.Contains(err.Error(), dir) {
				t.Fatalf("the error does not name the file: %v", err)
			}
		case len(folder.Tests) == 0:
			t.Fatal("no test was read, and there is no error")
		}
	})
}

// FuzzWords puts garbage into words.
func FuzzWords(f *testing.F) {
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x03\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x03\x0a\x00\x02\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x02\x02"))
	f.Add([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00E\x00\x00\x1c\x00\x01\x00\x00@\x01\x00\x00\x0a\x00\x01\x02\x0a\x00\x02\x02\x05\x01\x00\x00\x0a\x00\x01\x09"))
	f.Add([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x81\x00\x00\x07\x08\x00O"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p := capture.NewPacket("a", "eth0", capture.Out, time.Unix(0, 0), frame)
		q := capture.NewPacket("b", "eth0", capture.In, time.Unix(0, 1), frame)
		w := NewWords(map[string]string{"02:00:00:00:00:01": "a:eth0"})
		packets := w.Packets(capture.NewWindow(p, q), func(time.Time) (int, bool) { return 1, false })
		if len(packets) != 2 || packets[0].Kind == "" {
			t.Fatalf("it is put into the words %+v", packets)
		}
	})
}
