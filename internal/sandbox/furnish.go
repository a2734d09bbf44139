package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// furnish makes the mounts of a new mount namespace. It returns nil, or the
// report of what failed.
func furnish(pids bool) *report {
	// The clone flags alone don't do this: as root, on a machine with systemd, what
	// is mounted in here would be mounted in the machine too.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return failed("make the mounts private", err)
	}
	if pids {
		// First of all: in the old /proc, the PIDs of this namespace name other processes.
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			r := failed("mount /proc", err)
			r.kind = reportNoProc
			return r
		}
	}
	if bad := newRun(); bad != nil {
		return bad
	}
	newSys()
	return nil
}

func failed(step string, err error) *report {
	errno, _ := err.(unix.Errno)
	return &report{reportFailed, uint32(errno), step}
}

// newSys mounts a /sys that shows the interfaces of the sandbox (/sys/class/net).
// Where the kernel refuses, the old one stays: nothing of netrig reads it.
func newSys() {
	var fs unix.Statfs_t
	if unix.Statfs("/sys", &fs) != nil {
		return
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if fs.Flags&unix.ST_RDONLY != 0 {
		flags |= unix.MS_RDONLY // a container wants it so, and the kernel insists on it in a user namespace
	}
	// What is mounted below (cgroup, tracefs, bpf, ...) belongs to no network
	// namespace and stays in sight.
	type below struct {
		path string
		fd   int
	}
	var kept []below
	for _, path := range mountsBelow("/sys") {
		if fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
			kept = append(kept, below{path, fd})
		}
	}
	err := unix.Mount("sysfs", "/sys", "sysfs", flags, "")
	for _, k := range kept {
		if err == nil {
			unix.Mount(fdPath(k.fd), k.path, "", unix.MS_BIND|unix.MS_REC, "")
		}
		unix.Close(k.fd)
	}
}

// mountsBelow lists the mount points below dir that are not below one another.
func mountsBelow(dir string) []string {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return topMounts(string(info), dir)
}

// topMounts does so from the text of /proc/PID/mountinfo: the fifth field is the
// mount point, with blanks and backslashes in octal (proc(5)).
func topMounts(mountinfo, dir string) (top []string) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
next:
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		path := unescape.Replace(fields[4])
		if !strings.HasPrefix(path, dir+"/") {
			continue
		}
		for _, other := range top {
			if path == other || strings.HasPrefix(path, other+"/") {
				continue next // it comes along with the other, which was mounted before
			}
		}
		top = append(top, path)
	}
	return top
}

func fdPath(fd int) string { return filepath.Join("/proc/self/fd", strconv.Itoa(fd)) }
