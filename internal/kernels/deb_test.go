package kernels

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// All ways in which Debian packed kernels since 5.10.
func TestFromDeb(t *testing.T) {
	for _, how := range []string{"", ".gz", ".xz", ".zst"} {
		for _, modules := range []string{"", ".xz", ".zst", ".gz"} {
			t.Run("data"+how+" modules"+modules, func(t *testing.T) {
				deb := fakeDeb(t, "linux-image.deb", how, control("linux-image-"+fakeRelease, "6.1.9-1"),
					fakeFiles(fakeRelease, modules, func(b []byte) []byte { return compressed(t, modules, b) }))
				k, err := openTestCache(t).Find(context.Background(), deb)
				require.NoError(t, err)
				assert.Equal(t, fakeRelease, k.Release)
				assert.Equal(t, "6.1.9-1", k.Version)
				assert.Equal(t, "amd64", k.Arch)
				assert.Len(t, k.ConfigHash, 64)
				image, err := os.ReadFile(k.Image())
				require.NoError(t, err)
				assert.Equal(t, fakeImage(fakeRelease), image)

				table, err := k.Table()
				require.NoError(t, err)
				assert.Equal(t, []string{"libcrc32c.ko.zst", "llc.ko.zst", "stp.ko.zst", "bridge.ko.zst"}, table.Files["bridge"])
				assert.NotContains(t, table.Files, "xfs", "no network asks for it")
				packed, err := os.ReadFile(filepath.Join(k.ModulesDir(), "bridge.ko.zst"))
				require.NoError(t, err)
				b, err := Unpack(packed)
				require.NoError(t, err)
				assert.Equal(t, fakeModule(fakeRelease, "name=bridge", "depends=stp", "alias=rtnl-link-bridge"), b)
				entries, err := os.ReadDir(k.Dir)
				require.NoError(t, err)
				var names []string
				for _, e := range entries {
					names = append(names, e.Name())
				}
				assert.Equal(t, []string{configFile, metaFile, modulesDir, tableFile, imageFile}, names, "nothing else is left")
			})
		}
	}
}

// From 6.19 on a kernel comes in three packages, everything below /usr.
func TestFromThreeDebs(t *testing.T) {
	const release = "7.3.4+deb13-cloud-amd64"
	parts := []content{{}, {}, {}}
	for name, b := range fakeFiles(release, ".xz", func(b []byte) []byte { return compressed(t, ".xz", b) }) {
		switch {
		case strings.HasPrefix(name, "boot/vmlinuz-"):
			parts[0]["usr/lib/modules/"+release+"/vmlinuz"] = b
		case strings.HasPrefix(name, "boot/config-"):
			parts[2]["usr/lib/modules/"+release+"/config"] = b
		default:
			parts[1]["usr/"+name] = b
		}
	}
	var debs []string
	for i, name := range []string{"linux-binary", "linux-modules", "linux-base"} {
		debs = append(debs, fakeDeb(t, name+".deb", ".xz", control(name+"-"+release, "7.3.4-1"), parts[i]))
	}
	k, err := openTestCache(t).Find(context.Background(), strings.Join(debs, ","))
	require.NoError(t, err)
	assert.Equal(t, release, k.Release)
	assert.NotEmpty(t, k.ConfigHash)

	_, err = openTestCache(t).Find(context.Background(), debs[1])
	assert.ErrorContains(t, err, "there is no kernel image in linux-modules-7.3.4+deb13-cloud-amd64=7.3.4-1")
	_, err = openTestCache(t).Find(context.Background(), debs[0]+","+debs[2])
	assert.ErrorContains(t, err, "the package with its modules is missing")
	other := fakeDeb(t, "other.deb", ".xz", control("linux-modules-"+release, "7.3.5-1"), parts[1])
	_, err = openTestCache(t).Find(context.Background(), debs[0]+","+other)
	assert.ErrorContains(t, err, "they must be of one kernel")
}

// A package that ends early, anywhere, or has a wrong byte, is named, and
// nothing of it stays in the cache.
func TestDamagedDeb(t *testing.T) {
	whole, err := os.ReadFile(fakeDeb(t, "whole.deb", ".xz", control("linux-image-"+fakeRelease, "6.1.9-1"), fakeFiles(fakeRelease, "", plain)))
	require.NoError(t, err)
	c := openTestCache(t)
	file := filepath.Join(t.TempDir(), "damaged.deb")
	try := func(b []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(file, b, 0o644))
		_, err := c.Find(context.Background(), file)
		if assert.ErrorContains(t, err, file) {
			assert.ErrorContains(t, err, "is damaged, or no Debian package")
		}
	}
	for cut := 0; cut < len(whole)-32; cut += 97 { // what is after the data's end may be missing
		try(whole[:cut])
	}
	for _, at := range []int{2, 66, 200, len(whole) / 2, len(whole) - 100} {
		wrong := append([]byte{}, whole...)
		wrong[at] ^= 0xff
		try(wrong)
	}
	_, err = c.Find(context.Background(), filepath.Join(t.TempDir(), "none.deb"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	all, err := os.ReadDir(c.kernelsDir())
	require.NoError(t, err)
	assert.Empty(t, all)
}

// What is wrong with a package that is whole.
func TestUnfitDeb(t *testing.T) {
	for want, change := range map[string]func(content){
		"module bridge: it was built for kernel \"5.10.0-other\"": func(f content) {
			f["lib/modules/"+fakeRelease+"/kernel/net/bridge/bridge.ko"] = fakeModule("5.10.0-other", "name=bridge")
		},
		"module llc is missing, and another depends on it": func(f content) {
			delete(f, "lib/modules/"+fakeRelease+"/kernel/net/llc/llc.ko")
		},
		"no ELF file": func(f content) {
			f["lib/modules/"+fakeRelease+"/kernel/net/llc/llc.ko"] = []byte("text")
		},
		"neither an x86 bzImage nor an arm64 Image": func(f content) {
			f["boot/vmlinuz-"+fakeRelease] = []byte("text")
		},
		"the image is kernel 6.1.0-8, and the modules are for": func(f content) {
			f["boot/vmlinuz-"+fakeRelease] = fakeImage("6.1.0-8")
		},
	} {
		files := fakeFiles(fakeRelease, "", plain)
		change(files)
		_, err := openTestCache(t).Find(context.Background(), fakeDeb(t, "unfit.deb", ".gz", control("linux-image-x", "1"), files))
		assert.ErrorContains(t, err, want)
	}
}
