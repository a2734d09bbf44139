package vm

import (
	"fmt"
	"strings"
)

// Crash is the end of a machine before the tests had ended: a panic of the
// kernel, a hang, too little memory, or a qemu that somebody killed.
type Crash struct {
	Why  string   // in a sentence
	Do   string   // what to do about it; may be empty
	Tail []string // the console's last lines
	Oops []string // the kernel's report, when there is one
	Qemu string   // what qemu itself complained of
	// Started is whether the tests had been started: else the kernel did not even
	// boot.
	Started bool
}

// Error is the whole report, of several lines.
func (c *Crash) Error() string {
	var b strings.Builder
	b.WriteString(c.Why)
	if c.Do != "" {
		b.WriteString(": " + c.Do)
	}
	if c.Qemu != "" {
		fmt.Fprintf(&b, "\nqemu says: %s", c.Qemu)
	}
	lines, head := c.Tail, "the console's last lines:"
	if len(c.Oops) > 0 {
		lines, head = c.Oops, "the kernel's report:"
	}
	if len(lines) > 0 {
		b.WriteString("\n" + head)
		for _, l := range lines {
			b.WriteString("\n    " + l)
		}
	}
	return b.String()
}

// explain says why a machine may have ended without an end record.
func explain(c *console, release, ended, qemuSays string, memory int, started bool) *Crash {
	crash := &Crash{Tail: c.tail, Oops: c.oops, Qemu: qemuSays, Started: started}
	more := fmt.Sprintf("give it more (--memory %d)", 2*memory)
	switch {
	case c.says("Initramfs unpacking failed"):
		crash.Why, crash.Do = fmt.Sprintf("kernel %s: the tests and their files don't fit into the machine's %d MB", release, memory), more
	case c.says("Out of memory") && (c.says("Kernel panic") || c.says("Attempted to kill")), c.says("System is deadlocked on memory"):
		crash.Why, crash.Do = fmt.Sprintf("kernel %s ran out of memory (%d MB)", release, memory), more
	case c.says("Kernel panic"):
		crash.Why = fmt.Sprintf("kernel %s crashed", release)
	case c.says("netrig: init"):
		crash.Why = fmt.Sprintf("kernel %s: the machine's first process could not go on", release)
	case len(c.oops) > 0:
		crash.Why = fmt.Sprintf("kernel %s crashed", release)
	case len(c.tail) == 0 && !started:
		crash.Why = "the machine ended before its kernel said anything (" + ended + ")"
	default:
		crash.Why = fmt.Sprintf("the machine ended before the tests did (%s), and its kernel %s complained of nothing", ended, release)
	}
	return crash
}
