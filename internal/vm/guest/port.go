package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/vm/wire"
)

// What the outside gives a machine of this architecture (internal/vm/qemu.go):
// the bus of the port, and the second serial line.
var bus, secondLine = map[string]string{"amd64": "virtio_pci", "arm64": "virtio_mmio"}[runtime.GOARCH],
	map[string]string{"amd64": "/dev/ttyS1", "arm64": "/dev/ttyS0"}[runtime.GOARCH]

// portLimit is for a driver that does not find the device after all. The serial
// line, which is left then, is slow.
const portLimit = 20 * time.Second

// openPort opens the way to the outside: the virtio port, or the second serial
// line when a kernel has no driver for that.
func openPort(m *modules) (f *os.File, serial bool, err error) {
	// Built in on some kernels, and not needed on others: what counts is the port.
	errs := errors.Join(m.load(bus, ""), m.load("virtio_console", ""))
	// The device tells its ports' names a moment after it is there, and nothing
	// but the file appears then. Every machine has the device: with its driver the
	// port comes, on a busy machine late.
	for end := time.Now().Add(portLimit); time.Now().Before(end) && errs == nil; time.Sleep(time.Millisecond) {
		names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, name := range names {
			if b, _ := os.ReadFile(name); strings.TrimSpace(string(b)) == wire.Port {
				f, err := os.OpenFile(filepath.Join("/dev", filepath.Base(filepath.Dir(name))), os.O_RDWR, 0)
				if err == nil {
					return f, false, nil
				}
			}
		}
	}
	if f, err = os.OpenFile(secondLine, os.O_RDWR|unix.O_NOCTTY, 0); err == nil {
		err = raw(f)
	}
	if err != nil {
		return nil, true, fmt.Errorf("neither a virtio port (%v) nor the second serial line: %w", errs, err)
	}
	return f, true, nil
}

// raw makes a serial line carry bytes as they are (cfmakeraw, termios(3)).
func raw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}
