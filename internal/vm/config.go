package vm

import (
	"io"

	"github.com/netrig/netrig/internal/hostconfig"
	"github.com/netrig/netrig/internal/kernels"
)

// Config is what to run, and where.
type Config struct {
	Kernel *kernels.Kernel
	// Self is the netrig program, which becomes the machine's first process: built
	// for the kernel's architecture.
	Self string
	// Args are the test binary and its arguments.
	Args []string
	// Env are variables for the tests ("NAME=value"). PATH, HOME and TMPDIR are set
	// by the machine.
	Env []string
	// Dir is the tests' working directory; its testdata goes along.
	Dir string
	// Memory of the machine in MB; 0 is DefaultMemory.
	Memory int
	// Accel says how to run it.
	Accel Accel
	// Programs go along in addition to the usual ones, by name or path.
	Programs []string
	// Files and directories go along too, and are at the same place inside.
	Files []string
	// Without are modules that the machine does not get.
	Without []string
	// Append are more parameters of the kernel.
	Append []string
	// Leaks runs the tests twice, and complains of what the kernel holds more after
	// the second time than after the first.
	Leaks bool
	// Host is the configuration of a system that the machine applies before the
	// tests; nil for none.
	Host *hostconfig.Config
	// Stdout and Stderr get what the tests print. When they are the same, the two
	// keep their order.
	Stdout, Stderr io.Writer
	// Console gets all that the kernel prints, if it is not nil.
	Console io.Writer
	// Say tells the user what happens, if it is not nil.
	Say func(format string, args ...any)
	// CacheDir keeps what was found out about KVM.
	CacheDir string
	// Started is called when the machine has said hello, if it is not nil.
	Started func(Boot)

	limits limits // usualLimits if it is zero
}

// DefaultMemory of a machine, in MB. Fifty namespaces with all that the tests do
// in them took less than 192. Several sysctls depend on the memory: only
// machines of one size can be compared.
const DefaultMemory = 256

func (c *Config) say(format string, args ...any) {
	if c.Say != nil {
		c.Say(format, args...)
	}
}
