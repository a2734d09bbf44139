package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is what the processes of a run hold.
type usage struct {
	processes   int
	descriptors int // in all descriptor tables
	threads     int
	namespaces  int // network namespaces that a descriptor or a thread holds
	memory      int // resident bytes

	looks, rounds int // how many this is the least of, and in how many rounds
}

func (u usage) String() string {
	return fmt.Sprintf("%d processes, %d threads, %d descriptors, %d network namespaces, %d MB",
		u.processes, u.threads, u.descriptors, u.namespaces, u.memory>>20)
}

// least is the least of each.
func least(all []usage) usage {
	if len(all) == 0 {
		return usage{}
	}
	u := all[0]
	for _, v := range all[1:] {
		u = usage{
			processes: min(u.processes, v.processes), descriptors: min(u.descriptors, v.descriptors), threads: min(u.threads, v.threads),
			namespaces: min(u.namespaces, v.namespaces), memory: min(u.memory, v.memory),
		}
	}
	u.looks = len(all)
	return u
}

// kept is how many network namespaces a process may have at rest: its own, three
// that are ready for the next lab, and 24 of labs that have ended.
const kept = 28

// judged are the reports that can be compared: a few looks need not have met a
// moment between two labs.
func judged(reports []usage) []usage {
	return slices.DeleteFunc(slices.Clone(reports), func(u usage) bool { return u.looks < 20 || u.rounds < 10 })
}

// grown compares the last report with the second one, which is of a process with
// all its caches and pools. What is allowed is what differs from one to the next
// without growing; in hundreds of rounds a leak in one of ten comes to more. It
// can't tell of fewer than three reports.
func grown(reports []usage) (problems []string, told bool) {
	if reports = judged(reports); len(reports) < 3 {
		return nil, false
	}
	first, last := reports[1], reports[len(reports)-1]
	check := func(what string, first, last, allowed int) {
		if last > first+allowed {
			problems = append(problems, fmt.Sprintf("%s grew from %d to %d", what, first, last))
		}
	}
	check("processes", first.processes, last.processes, 0)
	check("descriptors", first.descriptors, last.descriptors, 48)
	check("threads", first.threads, last.threads, 16)
	check("network namespaces", max(first.namespaces, kept), last.namespaces, 16)
	check("memory in MB", first.memory>>20, last.memory>>20, 16+first.memory>>22)
	return problems, true
}

// look sums up what a process and its descendants hold. What ends meanwhile is
// left out.
func look(pid int) (u usage) {
	children := map[string][]string{}
	for _, p := range pids() {
		if parent := status(p, "PPid:"); parent != "" {
			children[parent] = append(children[parent], p)
		}
	}
	spaces := map[string]bool{}
	for family := []string{strconv.Itoa(pid)}; len(family) > 0; {
		p := family[0]
		family = append(family[1:], children[p]...)
		u.add(p, spaces)
	}
	u.namespaces = len(spaces)
	return u
}

func (u *usage) add(pid string, spaces map[string]bool) {
	dir := filepath.Join("/proc", pid)
	resident, _ := strconv.Atoi(strings.TrimSuffix(status(pid, "VmRSS:"), " kB"))
	if resident == 0 {
		return // it has ended
	}
	u.processes++
	u.memory += resident << 10
	own := list(filepath.Join(dir, "fd"))
	u.descriptors += len(own)
	for _, task := range list(filepath.Join(dir, "task")) {
		u.threads++
		taskDir := filepath.Join(dir, "task", task)
		if target, err := os.Readlink(filepath.Join(taskDir, "ns/net")); err == nil {
			spaces[target] = true
		}
		// Recorders have a table of their own, which has not the standard streams.
		table := list(filepath.Join(taskDir, "fd"))
		if len(table) > 0 && table[0] != "0" && len(own) > 0 && own[0] == "0" {
			u.descriptors += len(table)
		}
		for _, fd := range table {
			if target, err := os.Readlink(filepath.Join(taskDir, "fd", fd)); err == nil && strings.HasPrefix(target, "net:") {
				spaces[target] = true
			}
		}
	}
}

// status is a field of /proc/PID/status (proc(5)); "" for a process that ended.
func status(pid, field string) string {
	text, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func pids() (all []string) {
	for _, name := range list("/proc") {
		if name[0] >= '1' && name[0] <= '9' {
			all = append(all, name)
		}
	}
	return all
}

// list is the content of a directory, in the kernel's order; of one that is
// gone, nothing.
func list(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return names
}

// machine is what is looked at of the machine itself.
type machine struct {
	interfaces, names string
	spaces            int // network namespaces that the kernel has; -1 where that is not told
}

func lookAtMachine() machine {
	var m machine
	raw, _ := os.ReadFile("/proc/net/dev")
	for i, line := range strings.Split(string(raw), "\n") {
		if name, _, ok := strings.Cut(line, ":"); ok && i > 1 {
			m.interfaces += strings.TrimSpace(name) + " "
		}
	}
	m.names = strings.Join(list("/run/netns"), " ")
	m.spaces = -1
	slabs, _ := os.ReadFile("/proc/slabinfo") // root may read it
	for line := range strings.Lines(string(slabs)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "net_namespace" {
			m.spaces, _ = strconv.Atoi(f[1])
		}
	}
	return m
}

// settled is the machine when the kernel has removed what it removes in the
// background, or after half a minute.
func (m machine) settled() machine {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		now := lookAtMachine()
		if now.spaces <= m.spaces || time.Since(began) > 30*time.Second {
			return now
		}
	}
}

func (m machine) String() string {
	text := fmt.Sprintf("interfaces %s", strings.TrimSpace(m.interfaces))
	if m.names != "" {
		text += ", named namespaces " + m.names
	}
	if m.spaces >= 0 {
		text += fmt.Sprintf(", %d network namespaces in the kernel's memory (of everybody)", m.spaces)
	}
	return text
}

// changed tells what is not as it was. The number of namespaces is everybody's,
// and is only shown.
func (m machine) changed(now machine) string {
	switch {
	case m.interfaces != now.interfaces:
		return fmt.Sprintf("interfaces %s, before %s", now.interfaces, m.interfaces)
	case m.names != now.names:
		return fmt.Sprintf("named namespaces %q, before %q", now.names, m.names)
	}
	return ""
}
