// Package limit says which limit of the system an error is about, and what to
// do. The kernel's own words ("too many open files") name neither.
package limit

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Hint is what to add to an error that a limit has caused, in brackets with a
// blank before; "" for any other error.
func Hint(err error) string {
	if hint := hint(err); err != nil && !strings.Contains(err.Error(), hint) {
		return hint
	}
	return "" // or it says so already
}

func hint(err error) string {
	var path *fs.PathError
	switch {
	// A child puts its descriptors behind the highest that it was given, and dup3(2)
	// says EBADF of a number beyond the limit.
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.EBADF) && errors.As(err, &path) && path.Op == "fork/exec":
		return fmt.Sprintf(" (no file descriptors left, of %s: raise `ulimit -n`, or run fewer tests at once: -parallel, -p 1)", Of(unix.RLIMIT_NOFILE))
	case errors.Is(err, unix.ENFILE):
		return " (the machine has no file descriptors left: raise fs.file-max, or run less at once)"
	case errors.Is(err, unix.ENOMEM):
		return " (no memory left: raise memory.max of the cgroup or `ulimit -v`, or run fewer tests at once: -parallel, -p 1)"
	// Of sockets the same error says that there is nothing to read.
	case errors.Is(err, unix.EAGAIN) && errors.As(err, &path) && path.Op == "fork/exec":
		return fmt.Sprintf(" (no processes or threads left: raise `ulimit -u`, now %s, pids.max of the cgroup or kernel.pid_max, or run fewer tests at once: -parallel, -p 1)", Of(unix.RLIMIT_NPROC))
	}
	return ""
}

// Disk is what to add to an error about files being written.
func Disk(err error, instead string) string {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return " (the disk, or the user's share of it, is full: make room, or write elsewhere: " + instead + ")"
	}
	return Hint(err)
}

// Of is a soft limit of this process (getrlimit(2)) as the shell's ulimit
// prints it, bytes and all else by their number.
func Of(resource int) string {
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil || l.Cur == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(l.Cur, 10)
}
