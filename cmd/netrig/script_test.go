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
	cache, kernel, missing := machine()
	params := testscript.Params{
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
			if missing != nil && os.Getenv("NETRIG_REQUIRE") == "1" {
				return false, missing
			}
			return missing == nil, nil
		},
	}
	if missing != nil {
		t.Logf("the scripts that boot a kernel are skipped: %v", missing)
	}
	testscript.Run(t, params)
}

// machine finds what a script needs to boot a kernel: NETRIG_KERNEL, or any in
// the user's cache.
func machine() (dir, release string, missing error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return "", "", errors.New("qemu-system-x86_64 is not installed: internal/tools/packages.sh vm")
	}
	cache, err := kernels.OpenCache(os.Getenv("NETRIG_CACHE"))
	if err != nil {
		return "", "", err
	}
	if name := os.Getenv("NETRIG_KERNEL"); name != "" {
		k, err := cache.Find(context.Background(), name)
		if err != nil {
			return "", "", err
		}
		return cache.Dir(), k.ID, nil
	}
	all, err := cache.List()
	if err == nil && len(all) == 0 {
		err = errors.New("no kernel is in the cache: go run ./cmd/netrig kernels fetch debian/bookworm")
	}
	if err != nil {
		return "", "", err
	}
	return cache.Dir(), all[0].ID, nil
}

// Ctrl-C, which a terminal sends to the whole group, ends all at once, and tells.
func TestInterrupt(t *testing.T) {
	cache, kernel, missing := machine()
	if missing != nil {
		if os.Getenv("NETRIG_REQUIRE") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
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
