package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

type process struct {
	pid, parent int
	comm        string
}

// processes finds everything that has the mark, zombies apart.
func (v *victim) processes() (all []process) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err != nil || !bytes.Contains(env, []byte(v.mark+"\x00")) {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue
		}
		s := string(stat)
		all = append(all, process{pid, parentOf(s), s[strings.IndexByte(s, '(')+1 : strings.LastIndexByte(s, ')')]})
	}
	return all
}

// stage finds the process of a stage: "outside", "first" or "tests".
func (v *victim) stage(name string) int {
	v.t.Helper()
	first := 0
	all := v.processes()
	for _, p := range all {
		if p.comm == "netrig-first" {
			first = p.pid
		}
	}
	require.NotZero(v.t, first, "no first process in %v", all)
	for _, p := range all {
		switch {
		case name == "first" && p.pid == first, name == "tests" && p.parent == first && strings.HasPrefix(p.comm, "victim"):
			return p.pid
		case name == "outside" && p.pid == v.Process.Pid:
			return p.pid
		}
	}
	require.Fail(v.t, "no process of that stage", "%s: %v", name, all)
	return 0
}

// requireGone fails unless every process of the victim is gone soon.
func (v *victim) requireGone() {
	v.t.Helper()
	require.Eventually(v.t, func() bool { return len(v.processes()) == 0 }, v.soon, 5*time.Millisecond,
		"processes that outlived the tests: %v", v.processes())
}
