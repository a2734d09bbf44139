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

// A kernel that is installed below some root, and not booted.
func TestInstalled(t *testing.T) {
	lay := func(moduleDir, imageName string, files content) string {
		root := t.TempDir()
		for name, data := range files {
			name = strings.Replace(name, "lib/modules/", moduleDir+"/", 1)
			name = strings.Replace(name, "boot/vmlinuz-"+fakeRelease, imageName, 1)
			file := filepath.Join(root, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, data, 0o644))
		}
		return root
	}
	for _, tt := range []struct{ modules, image string }{
		{"lib/modules", "boot/vmlinuz-" + fakeRelease},
		{"usr/lib/modules", "boot/vmlinuz-" + fakeRelease},
		{"usr/lib/modules", "usr/lib/modules/" + fakeRelease + "/vmlinuz"}, // as from 6.19 on
	} {
		root := lay(tt.modules, tt.image, fakeFiles(fakeRelease, "", plain))
		k, err := openTestCache(t).Find(context.Background(), filepath.Join(root, tt.image))
		require.NoError(t, err)
		assert.Equal(t, fakeRelease, k.Release)
		assert.Empty(t, k.Version)
		table, err := k.Table()
		require.NoError(t, err)
		assert.Equal(t, []string{"libcrc32c" + Suffix, "llc" + Suffix, "stp" + Suffix, "bridge" + Suffix}, table.Files["bridge"])
		assert.Equal(t, strings.HasPrefix(tt.image, "boot/"), k.Config() != "", "the configuration lies next to the image in boot")
	}

	root := lay("lib/modules", "boot/vmlinuz-"+fakeRelease, fakeFiles(fakeRelease, "", plain))
	require.NoError(t, os.RemoveAll(filepath.Join(root, "lib")))
	_, err := openTestCache(t).Find(context.Background(), filepath.Join(root, "boot/vmlinuz-"+fakeRelease))
	assert.ErrorContains(t, err, "is "+fakeRelease+", and its modules are missing: stat /lib/modules/"+fakeRelease+"/kernel: no such file or directory: install the package that they come in")

	// An arm64 Image does not say its release; its name does.
	arm := make([]byte, 128)
	copy(arm[56:], "ARM\x64")
	files := fakeFiles(fakeRelease, "", plain)
	files["boot/vmlinuz-"+fakeRelease] = arm
	root = lay("lib/modules", "boot/vmlinuz-"+fakeRelease, files)
	k, err := openTestCache(t).Find(context.Background(), filepath.Join(root, "boot/vmlinuz-"+fakeRelease))
	require.NoError(t, err)
	assert.Equal(t, "arm64", k.Arch)
	assert.Equal(t, fakeRelease, k.Release)
	require.NoError(t, os.Rename(filepath.Join(root, "boot/vmlinuz-"+fakeRelease), filepath.Join(root, "boot/Image")))
	_, err = openTestCache(t).Find(context.Background(), filepath.Join(root, "boot/Image"))
	assert.ErrorContains(t, err, "its file has to be called vmlinuz-RELEASE")
}
