package kernels

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The kernels between two are those of the suite, and of the cache what the
// archive no longer has.
func TestBetween(t *testing.T) {
	repository := fakeMachine(t, "Debian")
	deb := func(release, version string) string {
		return fakeDeb(t, "x.deb", ".xz", control("linux-image-"+release, version), fakeFiles(release, "", plain))
	}
	var debs []string
	for _, v := range []string{"6.18.5", "6.18.9", "6.19.6", "7.0.4", "7.0.10"} {
		debs = append(debs, deb(v+"+deb13-cloud-amd64", v+"-1~bpo13+1"), deb(v+"+deb13-amd64", v+"-1~bpo13+1"))
	}
	// Of this one the modules, in a package of their own, are gone.
	hollow := "6.19.8+deb13-cloud-amd64"
	debs = append(debs, fakeDeb(t, "x.deb", ".xz", control("linux-image-"+hollow, "6.19.8-1")+"Depends: linux-modules-"+hollow+" (= 6.19.8-1)\n", content{"x": nil}))
	publish(t, repository, "Debian", "trixie-backports", debs...)
	c := openTestCache(t)
	var said []string
	c.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	ctx := context.Background()
	_, err := c.Find(ctx, deb("6.18.7+deb13-cloud-amd64", "6.18.7-1~bpo13+1"))
	require.NoError(t, err)
	between := func(good, bad string) string {
		all, err := c.Between(ctx, good, bad)
		require.NoError(t, err)
		var list []string
		for _, k := range all {
			if k.Missing != "" {
				assert.Equal(t, "6.19.8-1: the archive no longer has linux-modules-"+hollow+"=6.19.8-1", k.Version+": "+k.Missing)
				continue
			}
			list = append(list, strings.TrimSuffix(k.Release, "+deb13-cloud-amd64"))
			found, err := c.Find(ctx, k.Name)
			if assert.NoError(t, err) {
				assert.Equal(t, k.Release, found.Release, k.Name)
			}
		}
		return strings.Join(list, " ")
	}
	const suite = "debian/trixie-backports"
	assert.Equal(t, "6.18.5 6.18.7 6.18.9 6.19.6 7.0.4 7.0.10", between(suite+"=6.18.5", suite+"=7.0.10"))
	assert.Equal(t, "6.18.9 6.19.6 7.0.4", between(suite+"=6.18.9", suite+"=7.0.4"))
	all, err := c.Between(ctx, suite+"=6.18.9", suite+"=7.0.4")
	require.NoError(t, err)
	assert.Len(t, all, 4, "what can't be had is named")
	_, err = c.Find(ctx, suite+"=6.19.8")
	assert.ErrorContains(t, err, "the archive has "+hollow+" no longer as a whole: linux-modules-"+hollow+"=6.19.8-1 is missing; see `netrig kernels list "+suite+"`")
	// What is whole is preferred.
	k, err := c.Find(ctx, suite+"=6.19")
	require.NoError(t, err)
	assert.Equal(t, "6.19.6-1~bpo13+1", k.Version)
	// Ends are named as for any command: by the start of a version, or by a release.
	assert.Equal(t, "6.18.9 6.19.6 7.0.4 7.0.10", between(suite+"=6.18", suite))
	assert.Equal(t, "6.18.5 6.18.7 6.18.9", between("6.18.5+deb13-cloud-amd64", "6.18.9+deb13-cloud-amd64"))

	for _, tt := range []struct{ good, bad, want string }{
		{suite + "=7.0", suite + "=7.0.10", "are both 7.0.10+deb13-cloud-amd64 (7.0.10-1~bpo13+1)"},
		{suite + "=7.0.10", suite + "=6.19", "is newer than the bad one, 6.19.6+deb13-cloud-amd64 (6.19.6-1~bpo13+1): the good one has to be the older"},
		{suite + "=6.18.5", suite + ":full=7.0.10", "are of different flavours"},
		{suite + "=5", suite, "suite trixie-backports has no version 5"},
	} {
		_, err := c.Between(ctx, tt.good, tt.bad)
		assert.ErrorContains(t, err, tt.want)
	}

	// Without the archive what is cached will do.
	require.NoError(t, os.RemoveAll(repository))
	said = nil
	assert.Equal(t, "6.18.5 6.18.7 6.18.9 6.19.6 7.0.4 7.0.10", between(suite+"=6.18.5", suite+"=7.0.10"))
	assert.Contains(t, strings.Join(said, "\n"), "the archive can't be asked what debian/trixie-backports has between the two")
}

func TestFlavour(t *testing.T) {
	for release, want := range map[string]string{
		"6.1.0-50-cloud-amd64": "cloud-amd64", "6.1.0-50-amd64": "amd64", "6.12.107+deb13-cloud-amd64": "cloud-amd64",
		"6.18.44-fc-v509": "fc-v509", "6.18.0": "",
	} {
		assert.Equal(t, want, flavour(release), release)
	}
}
