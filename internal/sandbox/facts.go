package sandbox

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// needed are the capabilities that the tests use: new namespaces and mounts,
// links and routes, packet sockets.
const needed = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW

// privileged reports whether the process has them already. If so it needs no
// user namespace, and the tests see the same users as outside.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&needed == needed
}

// failureOf gathers what explain needs.
func failureOf(step string, err error) failure {
	f := failure{
		step:       step,
		detail:     err.Error(),
		privileged: privileged(),
		root:       os.Geteuid() == 0,
		sysctls:    map[string]string{},
	}
	errors.As(err, &f.errno)
	for _, name := range append([]string{sysctlAppArmor, sysctlDebian}, limits...) {
		if value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); err == nil {
			f.sysctls[name] = strings.TrimSpace(string(value))
		}
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		f.filtered = strings.Contains(string(status), "\nSeccomp:\t2\n") // seccomp(2): 2 is SECCOMP_MODE_FILTER
	}
	if info, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		f.chrooted = !mountsRoot(string(info))
	}
	_, err = os.Stat("/proc/self/ns/user")
	f.noUserNS = errors.Is(err, os.ErrNotExist)
	return f
}

// mountsRoot reports whether mountinfo has a mount on /. In a chroot it has none,
// unless the new root is a mount point itself.
func mountsRoot(mountinfo string) bool {
	for line := range strings.Lines(mountinfo) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == "/" {
			return true
		}
	}
	return false
}
