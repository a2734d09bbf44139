package drops

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// tracer is the program in the kernel, with what it reads and writes. It is made
// once in a process, and hangs at the tracepoint while somebody watches.
type tracer struct {
	layout        *layout
	spaces, queue *ebpf.Map
	program       *ebpf.Program
	attached      link.Link
}

// spaceLimit is how many namespaces can be watched at a time.
const spaceLimit = 4096

func newTracer() (*tracer, error) {
	t := &tracer{}
	if err := t.load(); err != nil {
		for _, m := range []*ebpf.Map{t.spaces, t.queue} {
			if m != nil {
				_ = m.Close()
			}
		}
		return nil, err
	}
	return t, nil
}

func (t *tracer) load() (err error) {
	// Asked first, since it is soon refused.
	t.queue, err = newMap(&ebpf.MapSpec{Name: "netrig_drops", Type: ebpf.Queue, ValueSize: eventSize, MaxEntries: most})
	if err != nil {
		return err
	}
	if t.layout, err = readLayout(); err != nil {
		return err
	}
	t.spaces, err = newMap(&ebpf.MapSpec{Name: "netrig_spaces", Type: ebpf.Hash, KeySize: 4, ValueSize: 1, MaxEntries: spaceLimit})
	if err != nil {
		return err
	}
	// The kernel takes a format only from memory that nobody can change.
	format, err := newMap(&ebpf.MapSpec{
		Name: "netrig_format", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1,
		Flags: unix.BPF_F_RDONLY_PROG, Contents: []ebpf.MapKV{{Key: uint32(0), Value: []byte("%ps\x00")}},
	})
	if err != nil {
		return err
	}
	defer format.Close() // the program holds it
	if err := format.Freeze(); err != nil {
		return refused("freeze a BPF map", err)
	}
	t.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "netrig_drops", Type: ebpf.RawTracepoint, License: "GPL", Instructions: t.layout.instructions(t.spaces, t.queue, format),
	})
	return refused("load a BPF program", err)
}

func newMap(spec *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(spec)
	return m, refused("make a BPF map", err)
}

func refused(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: %w: it takes root on the machine itself", what, unix.EPERM)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (t *tracer) attach() (err error) {
	t.attached, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "kfree_skb", Program: t.program})
	return refused("attach a BPF program to the tracepoint skb:kfree_skb", err)
}

// hangs tells whether the program is at the tracepoint.
func (t *tracer) hangs() bool { return t.attached != nil }

func (t *tracer) detach() {
	_ = t.attached.Close()
	t.attached = nil
}

// next takes the oldest event from the queue; false where there is none.
func (t *tracer) next() (Drop, bool, error) {
	event := make([]byte, eventSize)
	switch err := t.queue.LookupAndDelete(nil, &event); {
	case errors.Is(err, ebpf.ErrKeyNotExist):
		return Drop{}, false, nil
	case err != nil:
		return Drop{}, false, fmt.Errorf("read the kernel's drops: %w", err)
	}
	return t.layout.told(event), true, nil
}
