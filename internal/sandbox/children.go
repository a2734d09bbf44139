package sandbox

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// children lists the processes whose parent is this one.
func children() (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	me := os.Getpid()
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err == nil && parentOf(string(stat)) == me {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parentOf reads the parent from /proc/PID/stat (proc(5)): the second field
// after the command, which is in parentheses and can itself hold any of ") ".
func parentOf(stat string) int {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// killChildren kills every descendant of this process, which must be a
// subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)): the children of a killed child
// become its own, and their turn is next. The processes in spare are left alone.
func killChildren(spare map[int]bool) {
	for {
		var killed []int
		for _, pid := range children() {
			if !spare[pid] && unix.Kill(pid, unix.SIGKILL) == nil {
				killed = append(killed, pid)
			}
		}
		if len(killed) == 0 {
			return
		}
		for _, pid := range killed {
			for {
				if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
					break
				}
			}
		}
	}
}
