//go:build machine

package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/netrig/netrig/internal/kernels"
)

// The scripts in testdata/machine start machines.
func TestMachineScripts(t *testing.T) {
	cache, kernel := machine(t)
	scripts(t, "testdata/machine", map[string]string{"CACHE": cache, "KERNEL": kernel})
}

// machine is the cache and the kernel that NETRIG_KERNEL names. These tests have
// a build tag of their own, for `make vm`; what is missing fails them.
func machine(t *testing.T) (dir, id string) {
	t.Helper()
	name := os.Getenv("NETRIG_KERNEL")
	if name == "" {
		t.Fatal("NETRIG_KERNEL names the kernel, such as debian/bookworm: make vm sets it")
	}
	cache, err := kernels.OpenCache(os.Getenv("NETRIG_CACHE"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := cache.Find(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return cache.Dir(), k.ID
}

// Ctrl-C, which a terminal sends to the whole group, ends all at once, and tells.
func TestInterrupt(t *testing.T) {
	cache, kernel := machine(t)
	script := filepath.Join(t.TempDir(), "tests")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho ready\nsleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := exec.Command(self)
		cmd.Args = []string{"netrig", "vm", "-q", "--cache", cache, "--kernel", kernel, script}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
			t.Fatalf("%q %v %s", line, err, &stderr)
		}
		children, err := exec.Command("ps", "-o", "pid=", "--ppid", strconv.Itoa(cmd.Process.Pid)).Output()
		qemu, errNumber := strconv.Atoi(strings.TrimSpace(string(children)))
		if err != nil || errNumber != nil {
			t.Fatalf("find qemu: %q %v", children, err)
		}
		if err := syscall.Kill(-cmd.Process.Pid, s); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if want := 128 + int(s); cmd.ProcessState.ExitCode() != want || !strings.Contains(stderr.String(), "netrig: ended by "+s.String()) {
			t.Errorf("%s: status %d, want %d: %s", s, cmd.ProcessState.ExitCode(), want, &stderr)
		}
		if err := syscall.Kill(qemu, 0); err != syscall.ESRCH {
			t.Errorf("%s: qemu is left: %v", s, err)
		}
	}
}
