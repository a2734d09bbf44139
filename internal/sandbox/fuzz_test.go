package sandbox

import (
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/testflag"
)

// FuzzText reads what a process is told by its environment, its descriptors and
// /proc. What is understood is written again as it was.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		order{3, true, "mnt:[4026531840]"}.String(), "first,", "first,9999999999999999999,true,x", "first,1,maybe,x", "f\x01\x00\x00\x00mount /proc", "",
		"22 1 0:20 / / rw - ext4 /dev/vda rw\n23 22 0:21 / /sys/a\\040b rw - x y z\n", "1 2 3 4\n", "\\",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if o, err := parseOrder(text); err == nil {
			if again, err := parseOrder(o.String()); err != nil || again != o {
				t.Fatalf("%q is read as %v and then %v, %v", text, o, again, err)
			}
		}
		if r, ok := parseReport([]byte(text)); ok && len(text) <= maxReport && string(r.marshal()) != text {
			t.Fatalf("the report %q is sent on as %q", text, r.marshal())
		}
		for _, path := range topMounts(text, "/sys") {
			if !strings.HasPrefix(path, "/sys/") {
				t.Fatalf("%q is not below /sys", path)
			}
		}
		_ = mountsRoot(text)
		args := strings.Split(text, "\n")
		if got := testflag.WithoutLog(args); len(got) > len(args) {
			t.Fatalf("%q became %q", args, got)
		}
		_ = wantedInRun(args, args, text)
		if explain(failure{step: text, detail: text, errno: 1}) == "" {
			t.Fatal("a failure is told by nothing")
		}
	})
}
