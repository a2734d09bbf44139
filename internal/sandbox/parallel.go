package sandbox

import (
	"flag"
	"os"
	"runtime"
	"strconv"
)

// enough is how many tests run at once, and on how many threads, on a machine
// with fewer processors than that. Tests of networks wait more than they
// compute: for the kernel's lock of all link changes, for neighbours that do
// not answer. A thread that waits in the kernel keeps its processor of the Go
// scheduler for a while, and on two processors the others then wait with it.
const enough = 8

// overlap lets tests wait at the same time, unless whoever runs them said how
// many there may be (-parallel), or on how many threads (-cpu, GOMAXPROCS).
func overlap() {
	tests, threads := false, os.Getenv("GOMAXPROCS") != ""
	flag.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "test.parallel":
			tests = true
		case "test.cpu", "test.fuzz": // fuzzing does compute, in so many processes
			threads = true
		}
	})
	if threads || runtime.GOMAXPROCS(0) >= enough {
		return
	}
	runtime.GOMAXPROCS(enough)
	if !tests {
		// A missing flag can only mean that testing has renamed it.
		_ = flag.Set("test.parallel", strconv.Itoa(enough))
	}
}
