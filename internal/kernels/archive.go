package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Available is a kernel that the archive has.
type Available struct {
	// Release is as uname -r will say it.
	Release string
	// Version of its packages.
	Version string
	// Cached reports whether it is in the cache.
	Cached bool
	// Missing are packages that it needs and that the archive no longer has, which
	// happens to older ones in suites that are in motion: it can't be fetched.
	Missing  []string
	packages []string // with "=VERSION", in the order in which to unpack
}

// Available lists the kernels of a name such as "debian/trixie-backports",
// oldest first. It asks the archive.
func (c *Cache) Available(ctx context.Context, text string) ([]Available, error) {
	n, err := parseName(text)
	if err != nil {
		return nil, err
	}
	if n.suite == nil {
		return nil, fmt.Errorf("kernel %q: only debian/SUITE has a list of what is available", text)
	}
	unlock, err := c.lock("apt-" + n.suite.key())
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, err := c.openArchive(ctx, n.suite)
	if err != nil {
		return nil, err
	}
	all, err := a.kernels(ctx, n.suite)
	if err != nil {
		return nil, err
	}
	for i := range all {
		_, err := os.Stat(filepath.Join(c.kernelsDir(), suiteID(all[i].Release, all[i].Version)))
		all[i].Cached = err == nil
	}
	return all, nil
}

// fetchSuite gets a kernel of the archive. Without refresh it is content with
// what another process fetched by the same name in the meantime.
func (c *Cache) fetchSuite(ctx context.Context, n name, refresh bool) (*Kernel, error) {
	unlock, err := c.lock("apt-" + n.suite.key())
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k := c.named(n.text); k != nil && !refresh {
		return k, nil
	}
	k, err := c.fetchLocked(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("kernel %q: %w", n.text, err)
	}
	return k, c.remember(n.text, k)
}

func (c *Cache) fetchLocked(ctx context.Context, n name) (*Kernel, error) {
	a, err := c.openArchive(ctx, n.suite)
	if err != nil {
		return nil, err
	}
	all, err := a.kernels(ctx, n.suite)
	if err != nil {
		return nil, err
	}
	newest := all[len(all)-1]
	for _, k := range slices.Backward(all) {
		if len(k.Missing) == 0 {
			newest = k
			break
		}
	}
	if k, err := load(filepath.Join(c.kernelsDir(), suiteID(newest.Release, newest.Version))); err == nil {
		return k, nil
	}
	if len(newest.Missing) > 0 {
		return nil, fmt.Errorf("the archive has %s no longer as a whole: %s is missing; see `netrig kernels list %s` for those that it has", newest.Release, strings.Join(newest.Missing, ", "), n.suite)
	}
	debs, remove, err := a.download(ctx, newest.packages)
	if err != nil {
		return nil, err
	}
	defer remove()
	c.say("unpacking %s", newest.Release)
	return c.add(func(k *Kernel) string { return suiteID(k.Release, k.Version) }, func(p *parts) error {
		for _, deb := range debs {
			if err := errors.Join(ctx.Err(), p.unpack(deb)); err != nil {
				return err
			}
		}
		return nil
	})
}

// suiteID names a kernel of the archive: a release can have several versions.
func suiteID(release, version string) string { return release + "_" + version }

// kernels lists the kernels of a suite that are asked for, oldest first; at
// least one.
func (a *archive) kernels(ctx context.Context, s *suite) ([]Available, error) {
	stanzas, err := a.packages(ctx, "linux-image-", "linux-base-", "linux-binary-", "linux-modules-")
	if err != nil {
		return nil, err
	}
	all := kernelsAmong(stanzas, s)
	if len(all) > 0 {
		return all, nil
	}
	any := *s
	any.version = ""
	var have []string
	for _, k := range kernelsAmong(stanzas, &any) {
		have = append(have, k.Version)
	}
	if len(have) == 0 {
		return nil, fmt.Errorf("suite %s has no kernel of flavour %s for %s", s.name, s.flavour, s.arch)
	}
	return nil, fmt.Errorf("suite %s has no version %s: it has %s", s.name, s.version, strings.Join(have, ", "))
}

// kernelsAmong picks the kernels of a flavour and version, oldest first.
func kernelsAmong(stanzas []stanza, s *suite) (all []Available) {
	suffix := "-" + s.arch // Debian and Go name amd64 and arm64 alike
	if s.flavour == "cloud" {
		suffix = "-cloud" + suffix
	}
	image := regexp.MustCompile(`^linux-image-(\d[\d.]*(?:\+[\w.]+)?(?:-\d+)?` + regexp.QuoteMeta(suffix) + `)$`)
	there := map[string]bool{}
	for _, p := range stanzas {
		there[p["Package"]+"="+p["Version"]] = true
	}
	for _, p := range stanzas {
		m := image.FindStringSubmatch(p["Package"])
		if m == nil || s.version != "" && !startsWith(p["Version"], s.version) && !startsWith(m[1], s.version) {
			continue
		}
		k := Available{Release: m[1], Version: p["Version"], packages: []string{p["Package"] + "=" + p["Version"]}}
		for _, d := range strings.Split(p["Depends"], ",") {
			d, _, _ = strings.Cut(strings.TrimSpace(d), " ")
			for _, part := range []string{"linux-base-", "linux-binary-", "linux-modules-"} {
				switch {
				case d != part+k.Release:
				case there[d+"="+k.Version]:
					k.packages = append(k.packages, d+"="+k.Version)
				case part != "linux-base-": // which holds nothing but the configuration, and from 6.19 on
					k.Missing = append(k.Missing, d+"="+k.Version)
				}
			}
		}
		if !slices.ContainsFunc(all, func(o Available) bool { return o.Release == k.Release && o.Version == k.Version }) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b Available) int { return compareVersions(a.Version, b.Version) })
	return all
}
