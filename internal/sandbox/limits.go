package sandbox

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What the three processes need at the very least. With less the Go runtime ends
// them itself, before anything of ours runs, in words that name no limit.
const (
	leastFiles     = 32
	leastProcesses = 40
	leastAddresses = 2 << 30 // bytes; the runtime reserves more than it uses
)

// ceiling is a limit of a process (getrlimit(2)).
type ceiling struct {
	resource int
	name     string // as the shell has it
	what     string
	least    uint64
	unit     uint64 // bytes for one of what ulimit counts
}

var ceilings = []ceiling{
	{unix.RLIMIT_NOFILE, "ulimit -n", "file descriptors", leastFiles, 1},
	{unix.RLIMIT_NPROC, "ulimit -u", "processes and threads of this user", leastProcesses, 1},
	{unix.RLIMIT_AS, "ulimit -v", "KB of address space", leastAddresses, 1024},
}

// value is the limit that holds, and whether one does. The runtime raises that
// of descriptors to the hard limit when it starts.
func (c ceiling) value() (uint64, bool) {
	var l unix.Rlimit
	if unix.Getrlimit(c.resource, &l) != nil {
		return 0, false
	}
	limit := l.Cur
	if c.resource == unix.RLIMIT_NOFILE {
		limit = l.Max
	}
	if c.resource == unix.RLIMIT_NPROC && os.Getuid() == 0 {
		return 0, false // root is not counted (copy_process in kernel/fork.c)
	}
	return limit, limit != math.MaxUint64
}

// tooLow says which limit leaves no room even for the sandbox; "" for none.
func tooLow() string {
	for _, c := range ceilings {
		if limit, ok := c.value(); ok && limit < c.least {
			return fmt.Sprintf("cannot make a sandbox: %s = %d: there are too few %s\n    at least %d are needed, and more for each node of a lab\n    raise it:        %s %d",
				c.name, limit/c.unit, c.what, c.least/c.unit, c.name, 8*c.least/c.unit)
		}
	}
	return ""
}

// starved says which limits may have ended the tests, when they ended by a
// signal or a crash of the Go runtime, which names none; "" when none is near.
func starved(status unix.WaitStatus) string {
	const crashed = 2 // the runtime's exit status, also after a panic
	if !status.Signaled() && status.ExitStatus() != crashed {
		return ""
	}
	var near []string
	for _, c := range ceilings {
		limit, ok := c.value()
		if !ok || c.resource == unix.RLIMIT_NOFILE { // to run out of those is an error, no crash
			continue
		}
		used := uint64(0)
		if c.resource == unix.RLIMIT_NPROC {
			used = threadsOf(os.Getuid())
		}
		if limit < used+4*c.least {
			text := fmt.Sprintf("%s = %d %s", c.name, limit/c.unit, c.what)
			if used > 0 {
				text += fmt.Sprintf(", of which %d are in use without the tests", used)
			}
			near = append(near, text)
		}
	}
	// memory.events and pids.events since 4.13 and 4.5 (Documentation/admin-guide/
	// cgroup-v2.rst); cgroup v1 has the same counts in other files.
	for _, g := range []struct{ controller, file, count, limit, what string }{
		{"memory", "memory.events", "oom_kill", "memory.max", "processes of it were killed for want of memory"},
		{"memory", "memory.oom_control", "oom_kill", "memory.limit_in_bytes", "processes of it were killed for want of memory"},
		{"pids", "pids.events", "max", "pids.max", "processes or threads were refused"},
	} {
		dir := cgroup(g.controller)
		if n := countIn(filepath.Join(dir, g.file), g.count); n > 0 {
			value, _ := os.ReadFile(filepath.Join(dir, g.limit))
			near = append(near, fmt.Sprintf("%s = %s of the cgroup %s: so far %d %s", g.limit, strings.TrimSpace(string(value)), dir, n, g.what))
		}
	}
	if len(near) == 0 {
		return ""
	}
	return "the tests ended early, and these limits are low:\n    " + strings.Join(near, "\n    ") + "\n    raise it, or run fewer tests at once (-parallel, -p 1)"
}

// threadsOf counts the threads of a user, as far as /proc shows them.
func threadsOf(uid int) (n uint64) {
	tasks, _ := filepath.Glob("/proc/[0-9]*/task")
	for _, dir := range tasks {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil || int(st.Uid) != uid {
			continue
		}
		if threads, err := os.ReadDir(dir); err == nil {
			n += uint64(len(threads))
		}
	}
	return n
}

// cgroup is the directory of this process's cgroup that has a controller
// (cgroups(7)).
func cgroup(controller string) string {
	text, _ := os.ReadFile("/proc/self/cgroup")
	unified := ""
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			if name == controller {
				return filepath.Join("/sys/fs/cgroup", parts[1], parts[2])
			}
		}
		if parts[0] == "0" {
			unified = filepath.Join("/sys/fs/cgroup", parts[2])
		}
	}
	return unified
}

// countIn is the number behind a name in a file of such lines; 0 for none.
func countIn(file, name string) int {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return n
		}
	}
	return 0
}
