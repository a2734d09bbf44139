package vm

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// machine is a qemu that runs.
type machine struct {
	console, serial, port *os.File // our ends
	complaints            *bytes.Buffer
	kill                  func()
	ended                 chan string // how it ended, once
}

// start starts qemu. However this process ends, qemu ends with it.
func start(qemu string, args []string, archive *os.File) (*machine, error) {
	m := &machine{complaints: &bytes.Buffer{}, ended: make(chan string, 1)}
	cmd := exec.Command(qemu, args...)
	cmd.Stdout, cmd.Stderr = m.complaints, m.complaints
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	// Ctrl-C is for us: in a group of its own qemu does not get it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	for _, ours := range []**os.File{&m.console, &m.serial, &m.port} {
		mine, their, err := pair()
		if err != nil {
			m.close()
			return nil, err
		}
		*ours = mine
		theirs = append(theirs, their)
	}
	cmd.ExtraFiles = append(append(cmd.ExtraFiles, theirs...), archive)

	started := make(chan error)
	go func() {
		// The signal at the parent's death comes at that of its thread: it must live
		// as long as qemu.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			m.ended <- cmd.ProcessState.String()
		}
	}()
	if err := <-started; err != nil {
		m.close()
		return nil, fmt.Errorf("start %s: %w", qemu, err)
	}
	m.kill = func() { _ = cmd.Process.Kill() }
	return m, nil
}

// pair makes two ends of a stream.
func pair() (mine, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a stream to qemu: %w", err)
	}
	// So that a reader can be ended by closing the file.
	_ = unix.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), "machine"), os.NewFile(uintptr(fds[1]), "qemu"), nil
}

func (m *machine) close() {
	for _, f := range []*os.File{m.console, m.serial, m.port} {
		if f != nil {
			f.Close()
		}
	}
}

// says is what qemu complained of, in one line.
func (m *machine) says() string {
	lines := strings.Split(strings.TrimSpace(m.complaints.String()), "\n")
	if len(lines) > 4 {
		lines = lines[len(lines)-4:]
	}
	return strings.Join(lines, "; ")
}
