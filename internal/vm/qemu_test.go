package vm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/kernels"
)

// What can go wrong with qemu itself, with a script in its place.
func TestQemu(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"killed", `kill -9 $$`, "the machine ended before its kernel said anything (qemu: signal: killed)"},
		{"fails", `echo "qemu: cannot set up guest memory" >&2; exit 1`, "qemu says: qemu: cannot set up guest memory"},
		{"silent", `exec sleep 1000`, "kernel 6.1.0-7 did not start within 300ms"},
		{"says little", `echo 'Linux version 6' >&3; exec sleep 1000`, "    Linux version 6"},
		{"hangs", `printf 'h\026\000\000\000{"Release":"6.1.0-7"}\n' >&5; exec sleep 1000`, "kernel 6.1.0-7 hangs: nothing was heard from the machine for"},
		{"nonsense", `printf 'h\377\377\377\377' >&5; exit 0`, "the machine ended before its kernel said anything (qemu: exit status 0)"},
		{"ends without an end", `printf 'h\026\000\000\000{"Release":"6.1.0-7"}\n' >&5; echo '[    1.0] Kernel panic - not syncing: x' >&3; exit 0`, "kernel 6.1.0-7 crashed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOARCH != "amd64" {
				t.Skip("the fake is of qemu-system-x86_64")
			}
			bin := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755))
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			c := fakeConfig(t)
			_, err := Run(context.Background(), c, nil)
			var crash *Crash
			require.ErrorAs(t, err, &crash)
			assert.Contains(t, crash.Error(), tt.want)
		})
	}
}

// fakeConfig is of a kernel that can't be booted.
func fakeConfig(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules.table"), nil, 0o644))
	self, err := os.Executable()
	require.NoError(t, err)
	k := &kernels.Kernel{Release: "6.1.0-7", Arch: "amd64", Dir: dir, ID: "fake"}
	return Config{Kernel: k, Self: self, Args: []string{"/bin/true"}, Dir: dir, Accel: TCG,
		limits: limits{boot: 300 * time.Millisecond, silence: 300 * time.Millisecond}}
}

// What is found out before a machine starts.
// The rate of the clock is told where it is steady, and where it is not the kernel has to
// measure it.
func TestClockRate(t *testing.T) {
	const cpuinfo = "processor\t: 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc\nbogomips\t: 5192.24\n\n" +
		"processor\t: 1\nflags\t\t: fpu\nbogomips\t: 10.00\n\n"
	assert.Equal(t, 2596120, rateOf(cpuinfo))
	assert.Equal(t, 2596120, rateOf(strings.TrimSpace(cpuinfo[:strings.Index(cpuinfo, "processor\t: 1")])))
	assert.Zero(t, rateOf(strings.ReplaceAll(cpuinfo, "constant_tsc", "")))
	assert.Zero(t, rateOf(strings.ReplaceAll(cpuinfo, "nonstop_tsc", "")))
	assert.Zero(t, rateOf("processor : 0\nBogoMIPS : 48.00\nFeatures : fp asimd\n"))
	assert.Zero(t, rateOf(""))
}

func TestCannot(t *testing.T) {
	t.Run("no qemu", func(t *testing.T) {
		c := fakeConfig(t)
		t.Setenv("PATH", t.TempDir())
		_, err := Run(context.Background(), c, nil)
		assert.EqualError(t, err, "qemu-system-x86_64 not found: apt-get install qemu-system-x86")
	})
	t.Run("no qemu for arm64", func(t *testing.T) {
		c := fakeConfig(t)
		c.Kernel.Arch = "arm64"
		t.Setenv("PATH", t.TempDir())
		_, err := Run(context.Background(), c, nil)
		assert.EqualError(t, err, "qemu-system-aarch64 not found: apt-get install qemu-system-arm")
	})
	if runtime.GOARCH != "amd64" {
		t.Skip("the rest is told of an amd64 machine")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	bin := t.TempDir()
	for _, name := range []string{"qemu-system-x86_64", "qemu-system-aarch64"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755))
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for _, tt := range []struct {
		want   string
		change func(*Config)
	}{
		{"kernels for riscv64 can't be run: netrig knows machines for amd64 and arm64", func(c *Config) { c.Kernel.Arch = "riscv64" }},
		{"netrig itself: " + self + " is built for amd64, and the machine is arm64: build it with GOARCH=arm64, and name it (--init)", func(c *Config) { c.Kernel.Arch = "arm64" }},
		{"kvm runs kernels for this machine's processor (amd64), and this one is for arm64: use tcg or auto", func(c *Config) { c.Kernel.Arch, c.Accel = "arm64", KVM }},
		{`acceleration "xen" is unknown: use kvm, tcg or auto`, func(c *Config) { c.Accel = "xen" }},
		{"module sctp can't be withheld", func(c *Config) { c.Without = []string{"sctp"} }},
		{"program no-such-program: executable file not found in $PATH: install it here", func(c *Config) { c.Programs = []string{"no-such-program"} }},
		{"a file that was asked for: lstat /no-such-file", func(c *Config) { c.Files = []string{"/no-such-file"} }},
		{"the test binary: ", func(c *Config) { c.Args = []string{"/no-such.test"} }},
		{"is built for arm64, and the machine is amd64: build it with GOARCH=amd64", func(c *Config) { c.Args = []string{otherBinary(t)} }},
	} {
		c := fakeConfig(t)
		tt.change(&c)
		_, err := Run(context.Background(), c, nil)
		assert.ErrorContains(t, err, tt.want)
		var crash *Crash
		assert.False(t, errors.As(err, &crash), "%v", err)
	}
}

// otherBinary is one for another architecture: the header is enough.
func otherBinary(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	b[18] = 183 // e_machine: EM_AARCH64 (elf(5))
	file := filepath.Join(t.TempDir(), "arm64.test")
	require.NoError(t, os.WriteFile(file, b, 0o755))
	return file
}
