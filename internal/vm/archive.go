package vm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"
	"golang.org/x/sys/unix"
)

// archive writes the initramfs (Documentation/driver-api/early-userspace/
// buffer-format.rst). It is not compressed: to unpack takes longer than to read.
type archive struct {
	w    *cpio.Writer
	buf  *bufio.Writer
	done map[string]bool // paths inside
	arch string          // of the machine, as Go calls it
}

// newArchive writes to a file without a name, so that nothing is left of it.
func newArchive(arch string) (*archive, *os.File, error) {
	fd, err := unix.MemfdCreate("netrig-initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("make a file for the initramfs: %w", err)
	}
	f := os.NewFile(uintptr(fd), "initramfs")
	buf := bufio.NewWriterSize(f, 1<<20)
	return &archive{w: cpio.NewWriter(buf), buf: buf, done: map[string]bool{"/": true}, arch: arch}, f, nil
}

func (a *archive) close() error {
	return errors.Join(a.w.Close(), a.buf.Flush())
}

// dir makes a directory and those above it.
func (a *archive) dir(name string) error { return a.dirMode(name, 0o755) }

func (a *archive) dirMode(name string, mode cpio.FileMode) error {
	name = path.Clean(name)
	if a.done[name] {
		return nil
	}
	if err := a.dir(path.Dir(name)); err != nil {
		return err
	}
	a.done[name] = true
	return a.w.WriteHeader(&cpio.Header{Name: name[1:], Mode: cpio.TypeDir | mode, Links: 2})
}

// bytes makes a file of the content given.
func (a *archive) bytes(name string, content []byte, mode cpio.FileMode) error {
	return a.file(name, strings.NewReader(string(content)), int64(len(content)), mode)
}

func (a *archive) file(name string, r io.Reader, size int64, mode cpio.FileMode) error {
	if a.done[name] {
		return nil
	}
	if err := a.dir(path.Dir(name)); err != nil {
		return err
	}
	a.done[name] = true
	if err := a.w.WriteHeader(&cpio.Header{Name: name[1:], Mode: cpio.TypeReg | mode, Links: 1, Size: size}); err != nil {
		return err
	}
	_, err := io.CopyN(a.w, r, size)
	return err
}

// link makes a symbolic link.
func (a *archive) link(name, target string) error {
	if a.done[name] {
		return nil
	}
	if err := a.dir(path.Dir(name)); err != nil {
		return err
	}
	a.done[name] = true
	err := a.w.WriteHeader(&cpio.Header{Name: name[1:], Mode: cpio.TypeSymlink | 0o777, Links: 1, Size: int64(len(target))})
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.w, target)
	return err
}

// copy puts a file of this machine at a place inside.
func (a *archive) copy(from, to string) error {
	if a.done[to] {
		return nil
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.file(to, f, info.Size(), cpio.FileMode(info.Mode().Perm())); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}

// carry puts a file, a directory with all that is in it, or a link of this
// machine at the same place inside, with every link on the way to it.
func (a *archive) carry(name string) error { return a.carryDepth(filepath.Clean(name), 0) }

func (a *archive) carryDepth(name string, depth int) error {
	if depth > 40 { // as the kernel itself, path_resolution(7)
		return fmt.Errorf("%s: too many symbolic links", name)
	}
	at := "/"
	parts := strings.Split(strings.TrimPrefix(name, "/"), "/")
	for i, part := range parts {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			if err := a.link(at, target); err != nil {
				return err
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			return a.carryDepth(filepath.Join(append([]string{target}, parts[i+1:]...)...), depth+1)
		}
		switch {
		case info.IsDir():
			if err := a.dirMode(at, cpio.FileMode(info.Mode().Perm())); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			return a.copy(at, at)
		default:
			return nil // sockets and devices mean nothing in there
		}
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := a.carryDepth(filepath.Join(name, e.Name()), depth); err != nil {
			return err
		}
	}
	return nil
}
