package kernels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Candidate is a kernel that can be had: it is in the cache, or the archive has
// it.
type Candidate struct {
	// Name is what Find takes.
	Name string
	// Release and Version are as those of Kernel.
	Release, Version string
	Cached           bool
	// Missing says, when it is not empty, that the archive still names it, but has
	// not all of its packages any more.
	Missing string
}

// order is by what a kernel is compared: the version of its package, or its
// release when it was not taken from one.
func order(release, version string) string {
	if version != "" {
		return version
	}
	return release
}

// Between lists the kernels from one to another, both included, oldest first: of
// the suites by which the two are named, as the archive has them now, and what is
// in the cache of the same flavour. Without the archive it is content with the
// cache, and says so.
func (c *Cache) Between(ctx context.Context, good, bad string) ([]Candidate, error) {
	ends := [2]*Kernel{}
	for i, text := range []string{good, bad} {
		k, err := c.Find(ctx, text)
		if err != nil {
			return nil, err
		}
		ends[i] = k
	}
	from, to := ends[0], ends[1]
	switch n := compareVersions(order(from.Release, from.Version), order(to.Release, to.Version)); {
	case n == 0:
		return nil, fmt.Errorf("the good kernel (%s) and the bad one (%s) are both %s: there is nothing between them", good, bad, from)
	case n > 0:
		return nil, fmt.Errorf("the good kernel, %s, is newer than the bad one, %s: the good one has to be the older; swap them to find out when it was mended", from, to)
	case flavour(from.Release) != flavour(to.Release):
		return nil, fmt.Errorf("the good kernel, %s, and the bad one, %s, are of different flavours: their configurations differ by more than their versions", from, to)
	}
	all := []Candidate{{Name: good, Release: from.Release, Version: from.Version, Cached: true}, {Name: bad, Release: to.Release, Version: to.Version, Cached: true}}
	add := func(k Candidate) {
		version := order(k.Release, k.Version)
		if flavour(k.Release) != flavour(from.Release) || slices.ContainsFunc(all, func(o Candidate) bool { return o.Release == k.Release && o.Version == k.Version }) {
			return
		}
		if compareVersions(order(from.Release, from.Version), version) < 0 && compareVersions(version, order(to.Release, to.Version)) < 0 {
			all = append(all, k)
		}
	}
	cached, err := c.List()
	if err != nil {
		return nil, err
	}
	for _, k := range cached {
		add(Candidate{Name: k.ID, Release: k.Release, Version: k.Version, Cached: true})
	}
	for _, suite := range suitesOf(good, bad) {
		available, err := c.Available(ctx, suite)
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		if err != nil {
			c.say("the archive can't be asked what %s has between the two, so that only kernels of the cache are tried: %v", suite, err)
			continue
		}
		for _, k := range available {
			missing := ""
			if len(k.Missing) > 0 {
				missing = "the archive no longer has " + strings.Join(k.Missing, ", ")
			}
			add(Candidate{suite + "=" + k.Version, k.Release, k.Version, k.Cached, missing})
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int {
		return compareVersions(order(a.Release, a.Version), order(b.Release, b.Version))
	})
	return all, nil
}

// suitesOf are the names without versions, each once.
func suitesOf(names ...string) (suites []string) {
	for _, text := range names {
		n, err := parseName(text)
		if err != nil || n.suite == nil {
			continue
		}
		suite, _, _ := strings.Cut(text, "=")
		if !slices.Contains(suites, suite) {
			suites = append(suites, suite)
		}
	}
	return suites
}

// flavour is the end of a Debian release's name, "cloud-amd64" of
// "6.1.0-50-cloud-amd64": what has no digits.
func flavour(release string) string {
	parts := strings.Split(release, "-")
	for i, p := range parts {
		if i > 0 && p != "" && (p[0] < '0' || p[0] > '9') {
			return strings.Join(parts[i:], "-")
		}
	}
	return ""
}
