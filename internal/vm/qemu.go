package vm

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// option is an argument of qemu, or a parameter of the kernel, and why it is
// there.
type option struct {
	args []string
	why  string
}

func opt(why string, args ...string) option { return option{args, why} }

// Descriptors that qemu is started with, after the three standard ones.
const (
	fdConsole = 3 + iota
	fdSerial
	fdPort
	fdArchive
)

// platform is what depends on the architecture.
type platform struct {
	qemu, debian string // the program, and the package that it is in
	machine, cpu string
	console      string
	serial       []string   // of qemu, for the second serial line
	port         string     // of qemu, for the virtio port's bus
	tcg          []option   // parameters of the kernel under emulation
	rate         func() int // of the clock under emulation, see clockRate; nil for none to be told
}

var platforms = map[string]platform{
	"amd64": {
		qemu: "qemu-system-x86_64", debian: "qemu-system-x86",
		machine: "pc", // microvm hangs at times
		// Without cmpxchg16b: with it 6.12 crashes in its allocator within seconds under
		// emulation. "max" is slower.
		cpu:     "qemu64,-cx16",
		console: "ttyS0",
		rate:    clockRate,
		serial:  []string{"-serial", "chardev:serial"},
		port:    "virtio-serial-pci",
		tcg: []option{
			opt("the check of the clock against others fails when qemu was off its processor", "tsc=reliable"),
			opt("so does that of the timer's interrupt, by a panic: \"IO-APIC + timer doesn't work\"", "no_timer_check"),
		},
	},
	"arm64": {
		qemu: "qemu-system-aarch64", debian: "qemu-system-arm",
		machine: "virt,gic-version=2", // of gic 3 the kernel saves and restores more
		cpu:     "cortex-a57",         // "max" has features that are slow to emulate
		console: "ttyAMA0",
		serial:  []string{"-device", "pci-serial,chardev=serial"}, // the board has one line only
		port:    "virtio-serial-device",                           // its bus needs no PCI
	},
}

func platformOf(arch string) (platform, error) {
	p, ok := platforms[arch]
	if !ok {
		return p, fmt.Errorf("kernels for %s can't be run: netrig knows machines for %s", arch, strings.Join(slices.Sorted(maps.Keys(platforms)), " and "))
	}
	return p, nil
}

// findQemu is the path of the emulator.
func (p platform) findQemu() (string, error) {
	path, err := exec.LookPath(p.qemu)
	if err != nil {
		return "", fmt.Errorf("%s not found: apt-get install %s", p.qemu, p.debian)
	}
	return path, nil
}

// qemuOptions are the arguments of qemu.
func qemuOptions(p platform, accel Accel, kernel string, memory int, parameters []option) []option {
	cpu := p.cpu
	if accel == KVM {
		cpu = "host"
	}
	return []option{
		opt("no devices but those named here", "-nodefaults"),
		opt("nor those of the machine's administrator", "-no-user-config"),
		opt("no screen", "-display", "none"),
		opt("stable: see platforms", "-machine", p.machine, "-cpu", cpu),
		opt("how the processor is made", "-accel", string(accel)),
		opt("two processors under emulation oops on 7.3 now and then; two machines of one use two cores well", "-smp", "1"),
		opt("in MB", "-m", strconv.Itoa(memory)),
		opt("the tests make their own networks", "-nic", "none"),
		opt("a panic ends qemu", "-no-reboot"),
		opt("the kernel", "-kernel", kernel),
		opt("read through a descriptor: the file has no name, and so can't be left behind", "-initrd", fmt.Sprintf("/proc/self/fd/%d", fdArchive)),
		opt("how the kernel is to start", "-append", strings.Join(flatten(parameters), " ")),
		opt("the console, read by netrig", "-chardev", fmt.Sprintf("socket,id=console,fd=%d", fdConsole), "-serial", "chardev:console"),
		opt("the way for results when there is no virtio", append([]string{"-chardev", fmt.Sprintf("socket,id=serial,fd=%d", fdSerial)}, p.serial...)...),
		opt("the usual way for results: binary, fast", "-chardev", fmt.Sprintf("socket,id=port,fd=%d", fdPort),
			"-device", p.port, "-device", "virtserialport,chardev=port,name=netrig"),
	}
}

// kernelParameters are the kernel's.
func kernelParameters(p platform, accel Accel, leaks bool, more []string) []option {
	all := []option{
		opt("where the kernel's messages go", "console="+p.console),
		opt("warnings and worse, from the start", "loglevel=5"),
		opt("a panic reboots at once, which ends qemu", "panic=-1"),
		opt("what an oops leaves behind can't be trusted, and mostly hangs", "oops=panic"),
		opt("the first process is in the archive", "rdinit=/init"),
		opt("tmpfs would hold half of what is left of the memory while the archive takes the rest", "rootfstype=ramfs"),
		opt("nobody attacks the tests, and to fend that off is slow under emulation", "mitigations=off"),
		opt("no disks to look for", "raid=noautodetect"),
		opt("each of the few Go programs would take its memory by 2 MB", "transparent_hugepage=never"),
	}
	if accel == TCG {
		all = append(all,
			opt("the addresses of a crash are those of the kernel's symbols, and the boot is shorter", "nokaslr"),
			opt("a busy machine may be late with the timer's interrupts, and the kernel then panics at boot", "no_timer_check"),
			opt("a busy machine may take qemu off its processor for long: no fault of the kernel's",
				"rcupdate.rcu_cpu_stall_timeout=120", "watchdog_thresh=60"),
			opt("programs and libraries at the same addresses each time are translated once: /bin/true takes 9 ms instead of 30", "norandmaps"),
			opt("the kernel's trials of its own ciphers take up to a second", "cryptomgr.notests"),
		)
		all = append(all, p.tcg...)
		if p.rate != nil {
			if rate := p.rate(); rate > 0 {
				all = append(all, opt("the kernel's own measurement of its clock is wrong when qemu was off its processor meanwhile: a second took 0.3", "tsc_early_khz="+strconv.Itoa(rate)))
			}
		}
	}
	if leaks {
		all = append(all, opt("each of the kernel's caches under its own name, to tell what is left in which", "slab_nomerge"))
	}
	if len(more) > 0 {
		all = append(all, opt("asked for by the caller", more...))
	}
	return all
}

func flatten(options []option) (args []string) {
	for _, o := range options {
		args = append(args, o.args...)
	}
	return args
}
