package vm

import (
	"bufio"
	"io"
	"regexp"
	"slices"
	"strings"
)

// console keeps the last of what the kernel prints, and what it complains of.
type console struct {
	copy io.Writer // gets everything; may be nil
	tail []string
	// complaints are lines that a kernel prints when something is wrong in it.
	complaints []string
	oops       []string // the first report of a crash, whole
	inOops     bool
	copyFailed error // the first error of copy
}

// forgiving writes as long as that works: who can't write the copy of a console
// must still read it, or the machine stops when its end of the line is full.
type forgiving struct {
	to     io.Writer
	failed *error
}

func (f *forgiving) Write(b []byte) (int, error) {
	if *f.failed == nil {
		_, *f.failed = f.to.Write(b)
	}
	return len(b), nil
}

const (
	tailLines = 40
	oopsLines = 80
)

var (
	// stamp is the time before a line, and the processor that some kernels add.
	stamp = regexp.MustCompile(`^(<\d>)?\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?`)
	// complaint is what the kernel says of itself; a warning of a driver about the
	// hardware is none.
	complaint = regexp.MustCompile(`^(WARNING: (CPU|possible|suspicious|bad unlock|lib/|net/|kernel/|mm/|fs/|drivers/)|BUG: |BUG kmalloc|kernel BUG at|Oops|general protection fault|` +
		`Kernel panic|refcount_t: |UBSAN: |KASAN: |Unable to handle|invalid opcode|INFO: task .* blocked for more than|` +
		`INFO: rcu_\w+ (self-)?detected|rcu: INFO: |watchdog: BUG|unregister_netdevice: waiting|Out of memory: |Memory cgroup out of memory|` +
		`.*page allocation failure|.*invoked oom-killer|Initramfs unpacking failed|netrig: )`)
	oopsBegin = regexp.MustCompile(`^(BUG: |kernel BUG at|Oops|general protection fault|Kernel panic|WARNING: CPU|-+\[ cut here|Unable to handle|invalid opcode)`)
	oopsEnd   = regexp.MustCompile(`^(---\[ end |Rebooting in)`)
)

// read goes on until the machine's end.
func (c *console) read(from io.Reader) {
	if c.copy != nil {
		from = io.TeeReader(from, &forgiving{to: c.copy, failed: &c.copyFailed})
	}
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			c.line(line)
		}
		if err != nil {
			return
		}
	}
}

func (c *console) line(line string) {
	c.tail = append(c.tail, line)
	if len(c.tail) > tailLines {
		c.tail = slices.Delete(c.tail, 0, 1)
	}
	text := stamp.ReplaceAllString(line, "")
	if complaint.MatchString(text) && len(c.complaints) < 50 {
		c.complaints = append(c.complaints, text)
	}
	if len(c.oops) == 0 && oopsBegin.MatchString(text) {
		c.inOops = true
	}
	if c.inOops {
		c.oops = append(c.oops, line)
		// A panic's report goes on after the trace of what led to it.
		c.inOops = len(c.oops) < oopsLines && !oopsEnd.MatchString(text)
	}
}

// says reports whether a complaint contains the text.
func (c *console) says(text string) bool {
	return slices.ContainsFunc(c.complaints, func(l string) bool { return strings.Contains(l, text) })
}
