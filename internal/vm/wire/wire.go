// Package wire is what the inside of a virtual machine and its outside say to
// each other: records, each a byte for its kind, its length and its content.
// The same bytes go over a virtio port or a serial line.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Kind of a record.
type Kind byte

// The records from the inside, then those from the outside.
const (
	KindHello  Kind = 'h' // Hello: the machine runs
	KindBeat   Kind = 'b' // empty: the machine still runs
	KindOut    Kind = 'o' // standard output of the tests
	KindErr    Kind = 'e' // standard error of the tests
	KindNote   Kind = 'n' // text for the user, from the init itself: something went wrong
	KindTold   Kind = 't' // text for the user: what of Host could not be applied
	KindFile   Kind = 'f' // File: a file that the tests made; its content follows
	KindData   Kind = 'd' // content of the last file
	KindEnd    Kind = 'x' // End: the last record
	KindSignal Kind = 's' // one byte: a signal for the tests
)

// Port is the name of the virtio port.
const Port = "netrig"

// Places in the machine.
const (
	RunFile = "/netrig/run.json"
	Init    = "/init"
	// ModulesTable, below /lib/modules/RELEASE, is a kernels.Table.
	ModulesTable = "modules.table"
	// Path is the variable of that name in a machine.
	Path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Run is what the inside is told at the start, by a file in its archive: the
// kernel's command line has no room for arguments with spaces.
type Run struct {
	Args []string // of the tests, their path first
	Env  []string
	Dir  string // working directory
	// Merged: standard output and error go to the same place, in the order in
	// which they were written.
	Merged bool
	// Load are modules to load before the tests start: those that the kernel does
	// not ask for by itself.
	Load []string
	// Return are the directories whose new and changed files come back, and for
	// each a pattern that their path below it must begin with (path.Match), or "".
	Return []Return
	// Seed for the kernel's random numbers: it has hardly any source of its own.
	Seed []byte
	// Beat is how often a beat is sent, in nanoseconds.
	Beat int64
	// Scale is the least factor for deadlines of the tests (NETRIG_TIMEOUT_SCALE).
	Scale float64
	// Emulated: the processor is emulated.
	Emulated bool
	// Leaks: the tests are run a second time, and it is told what the kernel holds
	// after each.
	Leaks bool
	// Host is applied before the tests; nil for nothing.
	Host *Host
}

// Return is a directory from which files come back.
type Return struct {
	Dir   string
	First string // pattern of the first name below Dir; "" for any
	// Stream: a file is whole once its name does not begin with a dot. It comes back
	// then, and leaves nothing but its name.
	Stream bool
}

// Hello is the first record.
type Hello struct {
	Release string
	Uptime  float64 // seconds since the kernel started
	Scale   float64 // measured factor for deadlines
	Serial  bool    // there was no virtio port
}

// File announces a file.
type File struct {
	Path string // absolute
	Mode uint32 // permission bits
	Size int64
}

// End is the last record.
type End struct {
	Status  int      // exit status of the tests, if Signal is 0
	Signal  int      // that ended them, or 0
	Core    bool     // whether they dumped core
	Modules []string // that the kernel had loaded in the end
	Memory  int64    // bytes that were in use at most, of the tests (their peak resident size)
	// Before and After are what the kernel held after the first run of the tests, and
	// after the second, if they were run twice (Run.Leaks).
	Before, After *Left
}

const maxRecord = 1 << 20

// Writer sends records; several goroutines may use it.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Send writes a record, in one call of Write; longer content is split.
func (w *Writer) Send(k Kind, content []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		n := min(len(content), maxRecord)
		b := make([]byte, 5, 5+n)
		b[0] = byte(k)
		binary.LittleEndian.PutUint32(b[1:], uint32(n))
		if _, err := w.w.Write(append(b, content[:n]...)); err != nil {
			return err
		}
		if content = content[n:]; len(content) == 0 {
			return nil
		}
	}
}

// SendJSON writes a record whose content is a value.
func (w *Writer) SendJSON(k Kind, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return w.Send(k, b)
}

// Read reads one record. A record that is cut off is io.ErrUnexpectedEOF.
func Read(r io.Reader) (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxRecord {
		return 0, nil, fmt.Errorf("a record of kind %q claims %d bytes", head[0], n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return Kind(head[0]), b, nil
}

// HostFile holds Modprobe, for the machine's modprobe; it is there only when
// there is something in it.
const HostFile = "/netrig/modprobe.json"

// Host is the configuration that a system applies when it starts, for a machine
// to apply as well: modules first, then sysctls, then the packet filter.
type Host struct {
	Modprobe Modprobe
	Modules  []Entry   // to be loaded, in order
	Sysctls  []Setting // in order
	Nftables string    // path of the file that nft reads; empty for none
}

// Entry is a word of a file of the configuration.
type Entry struct {
	Name string
	From string // "FILE:LINE"
}

// Setting is a sysctl.
type Setting struct {
	Path  string // below /proc/sys; may be a pattern (glob(7))
	Value string
	From  string // "FILE:LINE"
	// Quiet: it does not matter when it can't be set.
	Quiet bool
	// Except: keeps what patterns match from being set, and sets nothing.
	Except bool
}

// Modprobe is what modprobe.d(5) says.
type Modprobe struct {
	Options map[string][]string // of modules
	// Blacklist are modules that no alias loads.
	Blacklist []string
	// Aliases: names and patterns, and the module that each stands for.
	Aliases [][2]string
	// Disabled modules are not loaded at all. To ask for one succeeds, or fails.
	Disabled map[string]bool
}

// Left is what the kernel holds when nothing runs.
type Left struct {
	Slabs   map[string]Slab // by the name of the cache
	Modules map[string]int  // references to each that is loaded
}

// Slab is one of the kernel's caches of objects.
type Slab struct{ Objects, Size int } // Size of one, in bytes
