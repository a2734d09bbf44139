package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/netrig/netrig/internal/limit"
	"golang.org/x/sys/unix"
)

// Writer writes journals into one folder. It is safe for concurrent use, and so
// are several of them, in several processes, on the same folder.
type Writer struct {
	folder string
	header Header
}

// NewWriter makes the folder, if it is not there yet.
func NewWriter(folder string) (*Writer, error) {
	folder, err := filepath.Abs(folder)
	if err == nil {
		err = os.MkdirAll(folder, 0o777) //nolint:gosec // as the umask says
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the folder of the journals can't be made: %w", Variable, err)
	}
	return &Writer{folder: folder, header: Here()}, nil
}

// Default is the writer that the environment asks for; nil for none.
var Default = sync.OnceValues(func() (*Writer, error) {
	folder := os.Getenv(Variable)
	if folder == "" {
		return nil, nil
	}
	return NewWriter(folder)
})

// Here is how a file begins that this process writes.
func Here() Header {
	h := Header{Version: Version, Package: testedPackage(), User: "root"}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		h.Kernel, h.Machine = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
	}
	// Only the first user namespace maps every user to itself (user_namespaces(7)).
	if ids, err := os.ReadFile("/proc/self/uid_map"); err == nil && strings.Join(strings.Fields(string(ids)), " ") != "0 0 4294967295" {
		h.User = "ordinary"
	}
	return h
}

// testedPackage is the import path of the package whose test binary this is.
func testedPackage() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Path != "" {
		return strings.TrimSuffix(info.Path, ".test")
	}
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
}

// Test begins the journal of a test.
func (w *Writer) Test(name string) *Test { return &Test{Header: w.header, Name: name} }

// Process begins the journal of a process.
func (w *Writer) Process() *Process { return &Process{Header: w.header} }

// Write keeps what a test, or a process, has shown, in a file of its own that
// appears whole or not at all.
func (w *Writer) Write(what any) error {
	name := ""
	switch what := what.(type) {
	case *Test:
		name = what.Package[strings.LastIndexByte(what.Package, '/')+1:] + "." + what.Name
	case *Process:
		name = what.Package[strings.LastIndexByte(what.Package, '/')+1:] + processSuffix
	default:
		return fmt.Errorf("write a journal: %T is neither a test nor a process", what)
	}
	raw, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("write a journal: %w", err)
	}
	if err := w.put(fileName(name), append(raw, '\n')); err != nil {
		return fmt.Errorf("write a journal into %s (%s): %w%s", w.folder, Variable, err, limit.Disk(err, Variable))
	}
	return nil
}

const processSuffix = "-process"

// fileName is for people; what the file is about is inside. A long name is cut,
// NAME_MAX being 255, and stays its own.
func fileName(name string) string {
	safe := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(name, "_"), "._")
	const most = 180
	if len(safe) > most {
		h := fnv.New64a()
		h.Write([]byte(name))
		safe = fmt.Sprintf("%s-%x", safe[:most], h.Sum64())
	}
	return safe
}

// put writes a file under the first number that is free: a test that runs again
// (-count) keeps what it has shown before.
func (w *Writer) put(name string, content []byte) error {
	// The dot keeps readers from it.
	temporary, err := os.CreateTemp(w.folder, ".writing-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Chmod(0o644)
	}
	if e := temporary.Close(); err == nil {
		err = e
	}
	for number := 1; err == nil; number++ {
		final := filepath.Join(w.folder, fmt.Sprintf("%s.%d%s", name, number, extension))
		switch err = publish(temporary.Name(), final); {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrExist):
			err = nil
		}
	}
	return err
}

const extension = ".json"

// publish gives the file its name, unless there is one of that name.
func publish(temporary, final string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, final, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system without it, such as 9p
		err = os.Link(temporary, final)
	}
	return err
}
