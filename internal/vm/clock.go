package vm

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// clockRate is how often the time stamp counter of this machine's processor counts, in
// thousands a second; 0 where that is not known or changes. An emulated processor of the
// same kind counts as it does (cpu_get_host_ticks in qemu).
func clockRate() int {
	if runtime.GOARCH != "amd64" {
		return 0
	}
	text, _ := os.ReadFile("/proc/cpuinfo")
	return rateOf(string(text))
}

// rateOf reads /proc/cpuinfo. Where the counter is steady, the kernel takes the loops of a
// jiffy from it and not from a measurement (lpj_fine, arch/x86/kernel/tsc.c), and so
// "bogomips" are twice its millions a second.
func rateOf(cpuinfo string) (rate int) {
	steady := false
	for line := range strings.Lines(cpuinfo) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "":
			if steady {
				return rate // that of the first processor is that of all
			}
		case "flags":
			flags := strings.Fields(value)
			steady = slices.Contains(flags, "constant_tsc") && slices.Contains(flags, "nonstop_tsc")
		case "bogomips":
			if mips, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				rate = int(mips * 500)
			}
		}
	}
	if !steady {
		return 0
	}
	return rate
}
