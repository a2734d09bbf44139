//go:build machine

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
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
		interrupted(t, s, exec.Command(self, "vm", "-q", "--cache", cache, "--kernel", kernel, script), says)
	}
}

// It ends a matrix too, which leaves nothing.
func TestMatrixInterrupt(t *testing.T) {
	cache, kernel := machine(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, tmp := hanging(t), t.TempDir()
	cmd := exec.Command(self, "matrix", "-v", "--cache", cache, "--kernels", kernel, ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+tmp)
	interrupted(t, syscall.SIGINT, cmd, says)
	if left := tree(t, tmp); len(left) > 0 {
		t.Errorf("left in the temporary directory: %v", left)
	}
}

// And a bisection, which leaves nothing either, neither in the cache.
func TestBisectInterrupt(t *testing.T) {
	from, id := machine(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cache, good, bad := twice(t, from, id)
	before := tree(t, cache)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		tmp := t.TempDir()
		cmd := exec.Command(self, "bisect", "--accel", "tcg", "--cache", cache, "--good", good, "--bad", bad, ".")
		cmd.Dir, cmd.Env = hanging(t), append(os.Environ(), "TMPDIR="+tmp)
		// What the tests print goes to a file.
		interrupted(t, s, cmd, func(t *testing.T, _ *bufio.Reader) {
			t.Helper()
			err := deadline.Poll(time.Minute, "the tests did not begin", func() (bool, error) {
				names, err := filepath.Glob(filepath.Join(tmp, "netrig-bisect-*", good, "output.txt"))
				if err != nil || len(names) == 0 {
					return false, err
				}
				text, err := os.ReadFile(names[0])
				return strings.Contains(string(text), "ready\n"), err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
		if left := tree(t, tmp); len(left) > 0 {
			t.Errorf("%s: left in the temporary directory: %v", s, left)
		}
	}
	if after := tree(t, cache); !slices.Equal(before, after) {
		t.Errorf("the cache holds %v, before it held %v", after, before)
	}
}

// twice makes a cache that has a kernel of another as two, of which the second is
// newer.
func twice(t *testing.T, from, id string) (cache, good, bad string) {
	t.Helper()
	cache = t.TempDir()
	if _, err := kernels.OpenCache(cache); err != nil { // which makes its directories
		t.Fatal(err)
	}
	c, err := kernels.OpenCache(from)
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.Find(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Rel(from, filepath.Dir(k.Dir))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []*string{&good, &bad} {
		*name = fmt.Sprintf("%s_%d", k.Release, i+1)
		to := filepath.Join(cache, below, *name)
		if err := os.CopyFS(to, os.DirFS(k.Dir)); err != nil {
			t.Fatal(err)
		}
		another := *k
		another.ID, another.Version = *name, fmt.Sprint(i+1)
		text, err := json.Marshal(&another)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, "kernel.json"), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return cache, good, bad
}

// tree are the files below a directory.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// hanging is the directory of a package whose test says "ready" and never ends.
func hanging(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module example.org/m\n\ngo 1.26\n",
		"lan_test.go": "package lan\n\nimport \"testing\"\n\nfunc TestHang(t *testing.T) { println(\"ready\"); select {} }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// says reads until a line ends with "ready".
func says(t *testing.T, lines *bufio.Reader) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%q %v", line, err)
		}
		if strings.HasSuffix(line, "ready\n") {
			return
		}
	}
}

// interrupted runs the command until it is ready, and sends the signal to its
// group: it has to tell, to end, and to have ended its qemu.
func interrupted(t *testing.T, s syscall.Signal, cmd *exec.Cmd, ready func(*testing.T, *bufio.Reader)) {
	t.Helper()
	cmd.Args[0] = "netrig"
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
	defer func() {
		if t.Failed() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}()
	ready(t, bufio.NewReader(out))
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
