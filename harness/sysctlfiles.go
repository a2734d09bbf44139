package harness

import (
	"strings"

	"golang.org/x/sys/unix"
)

// sysctlFiles reads and writes sysctls of the namespace that the calling thread is in, by
// their paths below /proc/sys/net/. Close it in the end.
//
// Each file is opened from the directory of its family ("ipv4", "bridge"), which is kept
// open: to find it takes the kernel a while (see procfs). Nor does a file go through
// package os, which makes five system calls of the one for reading.
type sysctlFiles struct {
	proc   *procfs // nil for /proc
	family string
	dir    int
	err    error // of opening the directory
}

func (s *sysctlFiles) close() {
	if s.family != "" && s.err == nil {
		unix.Close(s.dir)
	}
	s.family = ""
}

// open opens a file; the error is the kernel's.
func (s *sysctlFiles) open(path string, flags int) (int, error) {
	family, rest, _ := strings.Cut(path, "/")
	if family != s.family {
		s.close()
		s.family = family
		s.dir, s.err = s.proc.family(family)
	}
	if s.err != nil {
		return -1, s.err
	}
	if rest == "" {
		rest = "." // the family itself, which is none
	}
	return unix.Openat(s.dir, rest, flags|unix.O_CLOEXEC, 0)
}

// read gives a value without the space around it.
func (s *sysctlFiles) read(path string) (string, error) {
	fd, err := s.open(path, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var buf [4096]byte // the kernel gives a value at once; those of net are shorter
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(buf[:n])), nil
}

// write sets a value by one system call: the kernel takes it from the first write only.
func (s *sysctlFiles) write(path, value string) error {
	fd, err := s.open(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	return err
}
