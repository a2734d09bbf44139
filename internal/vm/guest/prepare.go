package guest

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seed gives the kernel random bytes and has them count as such (random(4)): a
// machine without devices would else wait seconds for its first ones.
func seed(bytes []byte) {
	f, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil || len(bytes) == 0 {
		return
	}
	defer f.Close()
	entropy := struct {
		bits, size int32
		data       [64]byte
	}{}
	n := copy(entropy.data[:], bytes)
	entropy.bits, entropy.size = int32(8*n), int32(n)
	const rndAddEntropy = 0x40085203 // RNDADDENTROPY, linux/random.h
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, f.Fd(), rndAddEntropy, uintptr(unsafe.Pointer(&entropy)))
}

// upLoopback sets lo up, as every system has it.
func upLoopback() {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	_ = unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

// takeLongTurns has each program keep the processor for 12 ms while others wait for it,
// those too that have just been woken up. By itself a kernel for one processor gives
// each 0.7 ms, from 7.0 on measured by a timer of its own (HRTICK,
// kernel/sched/features.h). An emulated processor then does little else: with each turn
// it forgets its translations of addresses, and all tests together take a third longer.
func takeLongTurns() {
	const debug, dir = "debugfs", "/run/debug"
	defer os.Remove(dir)
	if os.Mkdir(dir, 0o700) == nil && unix.Mount(debug, dir, debug, 0, "") == nil {
		defer unix.Unmount(dir, unix.MNT_DETACH)
	}
	const turn = "12000000" // in nanoseconds
	for _, setting := range []struct{ file, value string }{
		// from 6.6 on; before, the time below holds for those woken up as well
		{dir + "/sched/base_slice_ns", turn}, {dir + "/sched/features", "NO_WAKEUP_PREEMPTION"},
		// from 5.13 on
		{dir + "/sched/min_granularity_ns", turn}, {dir + "/sched/wakeup_granularity_ns", turn},
		{"/proc/sys/kernel/sched_min_granularity_ns", turn}, {"/proc/sys/kernel/sched_wakeup_granularity_ns", turn},
	} {
		_ = os.WriteFile(setting.file, []byte(setting.value), 0) // a kernel has some of them
	}
}

// usualNamespace is what a network namespace takes on an idle machine (as in
// internal/deadline).
const usualNamespace = 500 * time.Microsecond

// measure tells by which factor the machine is slower than usual at making
// network namespaces, what tests spend their time on: 1 to 60.
func measure() float64 {
	best := make(chan time.Duration)
	go func() {
		// The thread is left in another namespace, and ends with the goroutine.
		runtime.LockOSThread()
		least := time.Hour
		for range 3 {
			start := time.Now()
			if unix.Unshare(unix.CLONE_NEWNET) != nil {
				break
			}
			least = min(least, time.Since(start))
		}
		best <- least
	}()
	d := <-best
	if d == time.Hour {
		return 1
	}
	return min(max(float64(d)/float64(usualNamespace), 1), 60)
}

// uptime is how long the kernel has been running, in seconds.
func uptime() float64 {
	b, _ := os.ReadFile("/proc/uptime")
	text, _, _ := strings.Cut(string(b), " ")
	s, _ := strconv.ParseFloat(text, 64)
	return s
}

// loaded are the names of the modules in the kernel.
func loaded() (names []string) {
	b, _ := os.ReadFile("/proc/modules")
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	return names
}
