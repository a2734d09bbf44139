package sandbox

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// room is how much the heap may grow between two garbage collections although little of
// it is in use, in bytes. By itself the collector of a test binary, whose heap is small,
// runs each 4 MB: after every thirty labs, for a twentieth of the processor time of all.
const room = 32 << 20

// collectSeldom gives the collector that room, unless whoever runs the tests said how
// often it is to run (GOGC). A large heap is collected as ever, when it has doubled.
func collectSeldom() {
	if os.Getenv("GOGC") == "" {
		(&pace{}).arm(nil)
	}
}

// pace sets the collector's percentage anew after each collection.
type pace struct{ percent int }

// sentinel is found unused by each collection. It has a size so that it is an object of
// its own.
type sentinel struct{ _ [16]byte }

func (p *pace) arm(*sentinel) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	var live uint64
	if sample[0].Value.Kind() == metrics.KindUint64 {
		live = sample[0].Value.Uint64()
	}
	// To set it stops the world, so that a little more or less is not worth it.
	if percent := percentage(live); 10*percent < 9*p.percent || 10*percent > 11*p.percent {
		debug.SetGCPercent(percent)
		p.percent = percent
	}
	runtime.SetFinalizer(&sentinel{}, p.arm)
}

// percentage is that of GOGC for so many bytes in use.
func percentage(live uint64) int {
	const usual, smallest = 100, 4 << 20 // smallest heap of the runtime, at 100 %
	return max(usual, int(usual*room/max(live, smallest)))
}
