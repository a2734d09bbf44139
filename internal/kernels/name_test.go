package kernels

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParseName(t *testing.T) {
	for text, want := range map[string]name{
		"debian/bookworm":                   {suite: &suite{"bookworm", "cloud", runtime.GOARCH, ""}},
		"debian/bookworm:full":              {suite: &suite{"bookworm", "full", runtime.GOARCH, ""}},
		"debian/trixie-backports=6.18":      {suite: &suite{"trixie-backports", "cloud", runtime.GOARCH, "6.18"}},
		"debian/sid:full=7.2.13-1~bpo13+1":  {suite: &suite{"sid", "full", runtime.GOARCH, "7.2.13-1~bpo13+1"}},
		"debian/trixie:arm64":               {suite: &suite{"trixie", "cloud", "arm64", ""}},
		"debian/trixie:full:amd64=6.12":     {suite: &suite{"trixie", "full", "amd64", "6.12"}},
		"a.deb":                             {debs: []string{"a.deb"}},
		"dir/a.deb,b.deb":                   {debs: []string{"dir/a.deb", "b.deb"}},
		"/boot/vmlinuz-6.1.0-7-cloud-amd64": {image: "/boot/vmlinuz-6.1.0-7-cloud-amd64"},
		"6.1.0-7-cloud-amd64":               {cached: "6.1.0-7-cloud-amd64"},
	} {
		want.text = text
		got, err := parseName(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	for text, want := range map[string]string{
		"":                    "the name is empty",
		"debian/":             `"" is no suite`,
		"debian/../x":         "is no suite",
		"debian/Sid":          "is no suite",
		"debian/sid=":         `"" is no version`,
		"debian/sid=-o":       `"-o" is no version`,
		"debian/sid:realtime": `"realtime" is neither a flavour (cloud, the default, or full) nor an architecture (amd64, arm64)`,
		"bookworm":            "it is none of the forms",
		"a.rpm,b.deb":         `"a.rpm" is no .deb`,
	} {
		_, err := parseName(text)
		if assert.ErrorContains(t, err, want, text) {
			assert.ErrorContains(t, err, "debian/SUITE[:full][:ARCH][=VERSION], FILE.deb")
		}
	}
}

func TestVersions(t *testing.T) {
	assert.Negative(t, compareVersions("6.18.15-1~bpo13+1", "6.18.15-1"))
	assert.Negative(t, compareVersions("6.9.1", "6.10"))
	assert.Positive(t, compareVersions("7.3.4-1", "7.2.13-1"))
	assert.Zero(t, compareVersions("6.1", "6.1"))
	assert.True(t, startsWith("6.18.15-1~bpo13+1", "6.18"))
	assert.True(t, startsWith("6.18.15-1", "6.18.15-1"))
	assert.False(t, startsWith("6.180.1", "6.18"))
	assert.False(t, startsWith("7.1", "6"))
}
