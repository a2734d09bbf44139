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
		interrupted(t, s, exec.Command(self, "vm", "-q", "--cache", cache, "--kernel", kernel, script))
	}
}

// It ends a matrix too, which leaves nothing.
func TestMatrixInterrupt(t *testing.T) {
	cache, kernel := machine(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, tmp := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module example.org/m\n\ngo 1.26\n",
		"lan_test.go": "package lan\n\nimport \"testing\"\n\nfunc TestHang(t *testing.T) { println(\"ready\"); select {} }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(self, "matrix", "-v", "--cache", cache, "--kernels", kernel, ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+tmp)
	interrupted(t, syscall.SIGINT, cmd)
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v %v", left, err)
	}
}

// interrupted runs the command until a line ends with "ready", and sends the signal to
// its group: it has to tell, to end, and to have ended its qemu.
func interrupted(t *testing.T, s syscall.Signal, cmd *exec.Cmd) {
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
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%q %v %s", line, err, &stderr)
		}
		if strings.HasSuffix(line, "ready\n") {
			break
		}
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
