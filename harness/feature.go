package harness

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/link"
	"github.com/netrig/netrig/internal/ns"
	"github.com/vishvananda/netlink"
)

// feature is something that a kernel may have been built without, and what came of
// trying it out.
type feature struct {
	what   string // "a tunnel of VXLAN"
	option string // "CONFIG_VXLAN"
	module string
	err    error
}

// tryOut has something made in a namespace of its own, and keeps the error.
func tryOut(try func(*link.Socket, *netlink.Handle) (feature, error)) feature {
	b := &base{}
	defer b.close()
	var err error
	b.space, err = ns.NewWith(func() (err error) {
		if b.raw, err = link.OpenHere(); err == nil {
			b.route, err = handle()
		}
		return err
	})
	if err != nil {
		return feature{what: "a namespace", err: err}
	}
	f, err := try(b.raw, b.route)
	f.err = err
	return f
}

// demand skips the test when this kernel lacks the feature. What nobody can install
// on the running kernel is no failure, whatever NETRIG_REQUIRE says, if the kernel
// itself says that it was built so. One that does not say fails the test, as a
// distribution's does in a virtual machine: these have every module.
func (f feature) demand(t testing.TB) {
	t.Helper()
	switch {
	case f.err == nil:
	case f.option == "":
		t.Fatalf("netrig: find out what this kernel can do: make %s: %v", f.what, f.err)
	case builtWithout(f.option):
		skip(t, fmt.Sprintf("netrig: %s can't be made: %v: this kernel was built without %s; run the test on another, as by go test -exec 'netrig vm --kernel debian/trixie'", f.what, f.err, f.option))
	default:
		missing(t, "%s can't be made: %v: the kernel wants %s, or as root `modprobe %s`", f.what, f.err, f.option, f.module)
	}
}

// kernelConfiguration is where a kernel keeps the options that it was built with, if
// it does (CONFIG_IKCONFIG_PROC).
const kernelConfiguration = "/proc/config.gz"

// builtWithout tells whether the kernel says that it was built without an option. (One
// whose own conditions are not met is not even mentioned.)
func builtWithout(option string) bool {
	file, err := os.Open(kernelConfiguration)
	if err != nil {
		return false
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		return false
	}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), option+"=") {
			return false
		}
	}
	return lines.Err() == nil
}
