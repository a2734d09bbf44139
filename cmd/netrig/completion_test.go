package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestComplete(t *testing.T) {
	t.Setenv("NETRIG_CACHE", t.TempDir())
	for line, want := range map[string]string{
		"":                                   "vm matrix kernels compare bisect report completion",
		"ke":                                 "kernels",
		"kernels ":                           "list fetch",
		"kernels fetch debian/t":             "debian/trixie debian/trixie-backports",
		"vm --kernel debian/b":               "debian/bookworm debian/bookworm-backports debian/bullseye",
		"vm -k debian/s":                     "debian/sid",
		"vm --acc":                           "--accel",
		"vm --accel ":                        "auto kvm tcg",
		"vm --accel=tcg --host-":             "--host-config --host-root",
		"vm -q --kernel ./vml":               "",
		"vm --console ":                      "",
		"vm --kernel debian/sid ./lan.test ": "",
		"bisect --good debian/sid --bad debian/si": "debian/sid",
		"bisect --kind an":                         "answers",
		"compare --format m":                       "markdown",
		"compare --al":                             "--allow",
		"completion ":                              "bash",
		"nonsense ":                                "vm matrix kernels compare bisect report completion",
	} {
		var out bytes.Buffer
		complete(root(io.Discard, io.Discard), strings.Split(line, " "), &out)
		assert.Equal(t, want, strings.Join(strings.Fields(out.String()), " "), line)
	}
	complete(root(io.Discard, io.Discard), nil, io.Discard)
}

// The files of one kernel are one, whatever their order.
func TestJoinPackages(t *testing.T) {
	assert.Equal(t, []string{"linux-base-7.3_1_amd64.deb,linux-binary-7.3_1_amd64.deb,linux-modules-7.3_1_amd64.deb", "debian/sid", "d/linux-image-6.1_1_amd64.deb", "other.deb", "linux-image-6.1_1_amd64.deb"},
		joinPackages([]string{"linux-base-7.3_1_amd64.deb", "debian/sid", "linux-binary-7.3_1_amd64.deb", "d/linux-image-6.1_1_amd64.deb", "other.deb", "linux-modules-7.3_1_amd64.deb", "linux-image-6.1_1_amd64.deb"}))
}
