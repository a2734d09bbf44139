package matrix

import (
	"context"
	"io"
	"time"

	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/hostconfig"
	"github.com/netrig/netrig/internal/kernels"
	"github.com/netrig/netrig/internal/vm"
)

// Running names the kernel that runs. It is taken to a machine as the others are
// when its image can be read, and else the tests run on it as they are.
const Running = "running"

// Usual are the kernels of a matrix that names none: the running one, then
// Debian's from 2021 on, in the cloud flavour, one of them in the full one too.
var Usual = []string{
	Running, "debian/bullseye", "debian/bookworm", "debian/bookworm:full", "debian/trixie", "debian/trixie-backports=6.18", "debian/sid",
	"debian/trixie-backports",
}

// Config is what to run, and where.
type Config struct {
	Kernels  []string // kernels.Forms, and Running
	Packages []string // as go test takes them
	Run      string   // only tests that match, as -run of go test
	Skip     string   // none that match, as -skip
	Count    int      // how often each test runs
	Parallel int      // tests at a time in a machine; 0 is usualParallel
	Timeout  time.Duration
	// Repeat is how many runs of three must show a difference. 1 takes it from the
	// first.
	Repeat int
	Memory int // of a machine, in MB
	Accel  vm.Accel
	Host   *hostconfig.Config // what the machines apply before the tests; nil for nothing
	// Jobs is how many machines run at a time; 0 is one for each processor.
	Jobs int
	// Keep is the folder for results; empty for none.
	Keep string
	// Baseline is a folder of files that were recorded: each kernel is compared with
	// its own, not with the first one.
	Baseline string
	// Record is a folder to record such files in.
	Record string
	Allow  []compare.Kind
	// Verbose hands on what the tests print.
	Verbose bool

	Self  string // the netrig program
	Cache *kernels.Cache
	// Stdout gets what Verbose hands on, Progress what happens.
	Stdout   io.Writer
	Progress *Progress

	start starter // the real one if it is nil
}

// usualParallel is how many tests run at a time in a machine, which has one
// processor, and memory for some.
const usualParallel = 4

// repeats is how often a difference has to show.
const repeats = 3

// job is one run of one test binary on one kernel.
type job struct {
	column   *Column
	binary   binary
	args     []string // -test.* of this job
	journals string   // folder
	console  io.Writer
	output   io.Writer
	booted   func(vm.Boot)
}

// starter runs a job. The error says why it could not be run, or is a *vm.Crash.
type starter func(ctx context.Context, c *Config, j job) (*vm.Result, error)
