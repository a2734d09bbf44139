package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Accel is how a machine's processor is made.
type Accel string

// The ways: by the real one, by emulation, or by what works.
const (
	KVM  Accel = "kvm"
	TCG  Accel = "tcg"
	Auto Accel = "auto"
)

// probeLimit is for a kernel to boot with KVM, which takes a second.
const probeLimit = 8 * time.Second

// accelerator chooses. KVM has to show that a kernel boots with it: its device
// can be there and its machines hang, where this machine is itself a virtual
// one. What was seen holds until this machine's next boot.
func (c *Config) accelerator(ctx context.Context, p platform, qemu string) (Accel, error) {
	switch c.Accel {
	case KVM:
		if c.Kernel.Arch != runtime.GOARCH {
			return "", fmt.Errorf("kvm runs kernels for this machine's processor (%s), and this one is for %s: use tcg or auto", runtime.GOARCH, c.Kernel.Arch)
		}
		return KVM, nil
	case TCG:
		return TCG, nil
	case Auto, "":
	default:
		return "", fmt.Errorf("acceleration %q is unknown: use kvm, tcg or auto", c.Accel)
	}
	if c.Kernel.Arch != runtime.GOARCH {
		return TCG, nil // the processor is another
	}
	device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return TCG, nil
	}
	device.Close()
	note := ""
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil && c.CacheDir != "" {
		note = filepath.Join(c.CacheDir, "kvm-"+strings.TrimSpace(string(boot)))
		if seen, err := os.ReadFile(note); err == nil {
			return Accel(strings.TrimSpace(string(seen))), nil
		}
	}
	accel := KVM
	why, err := c.tryKVM(ctx, p, qemu)
	if err = errors.Join(ctx.Err(), err); err != nil {
		return "", err
	}
	if why != "" {
		accel = TCG
		c.say("/dev/kvm is there, but no kernel boots with it (%s): emulating, until this machine's next boot", why)
	}
	if note != "" {
		old, _ := filepath.Glob(filepath.Join(c.CacheDir, "kvm-*"))
		for _, o := range old {
			os.Remove(o)
		}
		// Not being remembered costs only time.
		if os.WriteFile(note+".new", []byte(accel+"\n"), 0o644) == nil {
			_ = os.Rename(note+".new", note)
		}
	}
	return accel, nil
}

// tryKVM boots the kernel, up to the hello of its first process, and tells why
// it did not get there; "" when it did.
func (c *Config) tryKVM(ctx context.Context, p platform, qemu string) (why string, err error) {
	limited, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	try := Config{Kernel: c.Kernel, Self: c.Self, Memory: c.Memory, Dir: c.Dir, limits: c.limits}
	_, err = try.run(limited, p, qemu, KVM, nil)
	var crash *Crash
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("not within %s", probeLimit), nil
	case errors.As(err, &crash):
		return crash.Why, nil
	}
	return "", err
}
