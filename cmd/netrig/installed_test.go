//go:build machine

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/kernels"
)

// A kernel that lies installed below some root, and was never booted, boots as it
// stands, and loads its modules.
func TestInstalledKernel(t *testing.T) {
	cache, id := machine(t)
	c, err := kernels.OpenCache(cache)
	require.NoError(t, err)
	k, err := c.Find(context.Background(), id)
	require.NoError(t, err)
	root := t.TempDir()
	table, err := k.Table()
	require.NoError(t, err)
	modules := filepath.Join(root, "lib/modules", k.Release)
	require.NoError(t, os.MkdirAll(filepath.Join(modules, "kernel/net"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "boot"), 0o755))
	var builtin strings.Builder
	for name := range table.Builtin {
		fmt.Fprintf(&builtin, "kernel/%s.ko\n", name)
	}
	require.NoError(t, os.WriteFile(filepath.Join(modules, "modules.builtin"), []byte(builtin.String()), 0o644))
	image := filepath.Join(root, "boot/vmlinuz-"+k.Release)
	links := map[string]string{k.Image(): image, k.Config(): filepath.Join(root, "boot/config-"+k.Release)}
	for name, files := range table.Files {
		file := files[len(files)-1]
		links[filepath.Join(k.ModulesDir(), file)] = filepath.Join(modules, "kernel/net", name+kernels.Suffix)
	}
	for from, to := range links {
		b, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, b, 0o644))
	}
	script := filepath.Join(t.TempDir(), "tests")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nuname -r\nip link add br0 type bridge && echo bridge\n"), 0o755))
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Args = []string{"netrig", "vm", "--cache", t.TempDir(), "--kernel", image, script}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), k.Release+"\nbridge\n")
}
