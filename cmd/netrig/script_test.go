package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/netrig/netrig/internal/kernels"
	"github.com/netrig/netrig/internal/vm/guest"
)

func TestMain(m *testing.M) {
	guest.Main() // this binary plays netrig in the scripts, and so it is a machine's first process too
	testscript.Main(m, map[string]func(){"netrig": main})
}

// The scripts in testdata/script specify the command line.
func TestScripts(t *testing.T) {
	cache, kernel := machine(t)
	if kernel == "" {
		t.Log(noMachine)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
				out, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				e.Setenv(name, strings.TrimSpace(string(out)))
			}
			e.Setenv("NETRIG_CACHE", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("CACHE", cache)
			e.Setenv("KERNEL", kernel)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "vm" {
				return false, errors.New("no such condition")
			}
			return kernel != "", nil
		},
	})
}

const noMachine = "a virtual machine is only started for the kernel that NETRIG_KERNEL names: make vm"

// machine is the cache and the kernel that NETRIG_KERNEL names; none without
// that variable. With it, what else is missing fails the test.
func machine(t *testing.T) (dir, id string) {
	t.Helper()
	name := os.Getenv("NETRIG_KERNEL")
	if name == "" {
		return "", ""
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
	if kernel == "" {
		t.Skip(noMachine)
	}
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
