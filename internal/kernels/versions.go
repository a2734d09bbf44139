package kernels

import (
	"strings"

	debversion "github.com/knqyf263/go-deb-version"
)

// compareVersions orders versions as dpkg does (deb-version(7)): "~" before the
// end, numbers by value. What is no version comes first.
func compareVersions(a, b string) int {
	va, errA := debversion.NewVersion(a)
	vb, errB := debversion.NewVersion(b)
	switch {
	case errA != nil || errB != nil:
		return strings.Compare(a, b)
	case va.LessThan(vb):
		return -1
	case vb.LessThan(va):
		return 1
	}
	return 0
}

// startsWith reports whether a version is the one asked for, or a more exact
// one: "6.18" is of 6.18.15-1~bpo13+1, and not of 6.180.
func startsWith(version, asked string) bool {
	rest, ok := strings.CutPrefix(version, asked)
	if !ok || rest == "" || asked == "" {
		return ok
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	return !(digit(rest[0]) && digit(asked[len(asked)-1]))
}
