package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/ns"
)

// barrier sends markers through the queue of each CPU. One serves the whole
// process: the queues belong to the CPUs, not to a namespace.
//
// It is a UDP socket connected to itself, on the loopback interface of a
// private namespace. UDP and not AF_PACKET because it stays open for as long
// as the process lives, and closing an AF_PACKET socket would cost the end of
// every test binary 12 ms (see recorder).
//
// The socket asks for time stamps and so has a second task: the kernel stamps
// packets (netstamp_needed_key in net/core/dev.c) while some socket asks for
// it, and switches that on and off from a work queue. A packet from before it
// is on is stamped when it is read (__sock_recv_timestamp in net/socket.c),
// and then the order of packets is lost. With this socket it stays on.
type barrier struct {
	mu   sync.Mutex
	fd   int
	last uint64 // number of the last marker
}

const maxCPUs = 8 * int(unsafe.Sizeof(unix.CPUSet{}))

var theBarrier = sync.OnceValues(newBarrier)

// stampingWorks returns when the kernel stamps packets.
func stampingWorks() error {
	_, err := theBarrier()
	return err
}

func newBarrier() (*barrier, error) {
	private, err := ns.New()
	if err != nil {
		return nil, err
	}
	defer private.Close() // the socket holds it
	b := &barrier{fd: -1}
	if err := private.Do(b.open); err != nil {
		return nil, fmt.Errorf("make a loopback for markers: %w", err)
	}
	// The kernel begins in its own time, by a work queue (net_enable_timestamp): on
	// a busy machine under emulation 2 s were too few.
	if err := b.awaitStamping(30 * time.Second); err != nil {
		unix.Close(b.fd)
		return nil, err
	}
	return b, nil
}

func (b *barrier) open() (err error) {
	b.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			unix.Close(b.fd)
		}
	}()
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP)
	// The kernel gives it 127.0.0.1 when it comes up (inetdev_event).
	if err := unix.IoctlIfreq(b.fd, unix.SIOCSIFFLAGS, loopback); err != nil {
		return os.NewSyscallError("set lo up", err)
	}
	if err := unix.SetsockoptInt(b.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return os.NewSyscallError("set SO_TIMESTAMPNS", err)
	}
	if err := unix.Bind(b.fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	own, err := unix.Getsockname(b.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	return os.NewSyscallError("connect", unix.Connect(b.fd, own))
}

// awaitStamping sends markers until one of them has been stamped before it was
// read. Each pass through the work queue takes the kernel some milliseconds.
func (b *barrier) awaitStamping(limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		b.last++
		if err := b.send(b.last); err != nil {
			return err
		}
		if err := b.readable(20 * time.Millisecond); err != nil {
			return err
		}
		sent := time.Now().UnixNano()
		_, stamp, err := b.receive()
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			return err
		}
		if err == nil && stamp > 0 && stamp <= sent {
			return nil
		}
	}
	return fmt.Errorf("the kernel does not stamp packets on their arrival, within %v of being asked to (SO_TIMESTAMPNS)", limit)
}

func (b *barrier) send(number uint64) error {
	message := (*[8]byte)(unsafe.Pointer(&number))
	for {
		_, err := unix.Write(b.fd, message[:])
		if err != unix.EINTR {
			return os.NewSyscallError("send a marker", err)
		}
	}
}

// receive gives the number and the time stamp of the next marker there is,
// EAGAIN if there is none.
func (b *barrier) receive() (number uint64, stamp int64, err error) {
	var control [64]byte
	var n, size int
	for {
		n, size, _, _, err = unix.Recvmsg(b.fd, (*[8]byte)(unsafe.Pointer(&number))[:], control[:], unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil || n != 8 {
		return 0, 0, os.NewSyscallError("receive a marker", err)
	}
	if want := unix.CmsgLen(int(unsafe.Sizeof(unix.Timespec{}))); size >= want {
		header := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		if header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPNS {
			stamp = (*unix.Timespec)(unsafe.Pointer(&control[unix.CmsgLen(0)])).Nano()
		}
	}
	return number, stamp, nil
}

// readable returns when there is something to receive, or after a while.
func (b *barrier) readable(wait time.Duration) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(b.fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
	if err == unix.EINTR {
		return nil
	}
	return os.NewSyscallError("poll", err)
}

// pass sends a marker and returns when it is back. Markers are lost where a
// queue overflows (net.core.netdev_max_backlog), so it is sent again.
func (b *barrier) pass(ctx context.Context) error {
	for {
		b.last++
		if err := b.send(b.last); err != nil {
			return err
		}
		for again := time.Now().Add(20 * time.Millisecond); ; {
			number, _, err := b.receive()
			if err == nil && number == b.last {
				return nil
			}
			if err != nil && !errors.Is(err, unix.EAGAIN) {
				return err
			}
			if ctx.Err() != nil {
				return fmt.Errorf("a marker did not come through: %w", ctx.Err())
			}
			if time.Now().After(again) {
				break
			}
			if err != nil {
				if err := b.readable(10 * time.Millisecond); err != nil {
					return err
				}
			}
		}
	}
}

// flush returns when every packet that was queued between two interfaces
// before the call has been processed. See [Recording.Settle].
func (b *barrier) flush(ctx context.Context) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	runtime.LockOSThread()
	var before, all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return os.NewSyscallError("sched_getaffinity", err)
	}
	defer func() {
		if back := unix.SchedSetaffinity(0, &before); back != nil {
			// The thread stays locked, and so ends with the goroutine: no other
			// one gets to run on a thread that is bound to one CPU.
			err = errors.Join(err, os.NewSyscallError("sched_setaffinity", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	// Those that the process may run on: the caller's thread may be bound.
	if err := unix.SchedGetaffinity(os.Getpid(), &all); err != nil {
		all = before
	}
	// Moving to another CPU is what takes time, so the one that the thread is
	// on comes first.
	var here uint32
	_, _, _ = unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&here)), 0, 0)
	for i := range maxCPUs {
		cpu := (int(here) + i) % maxCPUs
		if !all.IsSet(cpu) {
			continue
		}
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			if err == unix.EINVAL {
				continue // taken offline: the kernel has moved its queue (dev_cpu_dead)
			}
			return os.NewSyscallError("sched_setaffinity", err)
		}
		for range 2 { // see Settle
			if err := b.pass(ctx); err != nil {
				return fmt.Errorf("CPU %d: %w", cpu, err)
			}
		}
	}
	return nil
}
