package kernels

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
)

// name is what a user calls a kernel by, taken apart. One of its parts is set.
type name struct {
	text  string
	suite *suite   // debian/SUITE[:FLAVOUR][=VERSION]
	debs  []string // FILE.deb[,FILE.deb...]
	image string   // a path: /boot/vmlinuz-X
	// cached is the release, or the ID, of a kernel in the cache.
	cached string
}

// suite is a kernel of Debian's archive.
type suite struct {
	name    string // "bookworm"
	flavour string // "cloud" or "full"
	arch    string // "amd64", "arm64"
	version string // or the start of one; empty for the newest
}

// String is the suite by which a user lists its kernels.
func (s *suite) String() string {
	text := "debian/" + s.name
	if s.flavour != "cloud" {
		text += ":" + s.flavour
	}
	if s.arch != runtime.GOARCH {
		text += ":" + s.arch
	}
	return text
}

// key names the private lists of the suite.
func (s *suite) key() string {
	if s.arch == runtime.GOARCH {
		return s.name
	}
	return s.name + "-" + s.arch
}

// Forms tells a user how kernels are named.
const Forms = "debian/SUITE[:full][:ARCH][=VERSION], FILE.deb[,FILE.deb...], /boot/vmlinuz-X, or the release of a cached kernel"

var (
	suitePattern   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	versionPattern = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~-]*$`)
	releasePattern = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~_-]*$`)
)

func parseName(text string) (name, error) {
	n := name{text: text}
	wrong := func(format string, args ...any) (name, error) {
		return n, fmt.Errorf("kernel %q: %s: want %s", text, fmt.Sprintf(format, args...), Forms)
	}
	switch {
	case text == "":
		return wrong("the name is empty")
	case strings.HasPrefix(text, "debian/"):
		s := suite{flavour: "cloud", arch: runtime.GOARCH}
		rest, version, given := strings.Cut(strings.TrimPrefix(text, "debian/"), "=")
		if given && !versionPattern.MatchString(version) {
			return wrong("%q is no version", version)
		}
		s.version = version
		words := strings.Split(rest, ":")
		s.name = words[0]
		for _, w := range words[1:] {
			switch w {
			case "cloud", "full":
				s.flavour = w
			case "amd64", "arm64":
				s.arch = w
			default:
				return wrong("%q is neither a flavour (cloud, the default, or full) nor an architecture (amd64, arm64)", w)
			}
		}
		if !suitePattern.MatchString(s.name) {
			return wrong("%q is no suite", s.name)
		}
		n.suite = &s
	case strings.HasSuffix(text, ".deb"):
		n.debs = strings.Split(text, ",")
		for _, file := range n.debs {
			if !strings.HasSuffix(file, ".deb") {
				return wrong("%q is no .deb", file)
			}
		}
	case strings.Contains(text, "/"):
		n.image = text
	case releasePattern.MatchString(text):
		n.cached = text
	default:
		return wrong("it is none of the forms")
	}
	return n, nil
}
