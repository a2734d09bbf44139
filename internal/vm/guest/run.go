package guest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/vm/wire"
)

// run is the life of the first process. It returns only to tell why it could
// not go on.
func run() error {
	if err := mountAll(); err != nil {
		return err
	}
	var r wire.Run
	text, err := os.ReadFile(wire.RunFile)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return fmt.Errorf("read what to run: %w", err)
	}
	seed(r.Seed)
	m, err := readModules()
	if err != nil {
		return err
	}
	port, serial, err := openPort(m)
	if err != nil {
		return err
	}
	os.Setenv("PATH", strings.TrimPrefix(wire.Path, "PATH="))
	for _, module := range r.Load {
		// Where it is missing, a test that wants it says so.
		_ = m.load(module, "")
	}
	upLoopback()
	if r.Emulated {
		takeLongTurns()
	}
	_ = unix.Sethostname([]byte("netrig"))
	out := wire.NewWriter(port)
	scale := max(measure(), r.Scale)
	err = out.SendJSON(wire.KindHello, wire.Hello{Release: release(), Uptime: uptime(), Scale: scale, Serial: serial})
	if err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	go beat(out, time.Duration(r.Beat))

	if len(r.Args) == 0 {
		select {} // it was only to be seen that the kernel boots
	}
	if r.Host != nil {
		applyHost(r.Host, m, func(format string, args ...any) { _ = out.Send(wire.KindTold, fmt.Appendf(nil, format, args...)) })
	}
	home := newHomeward(out, r.Return)
	end, err := tests(r, scale, port, out)
	if err != nil {
		_ = out.Send(wire.KindNote, []byte(fmt.Sprintf("the tests could not be started: %v", err)))
		end = wire.End{Status: 127}
	}
	if r.Leaks && err == nil && end.Status == 0 && end.Signal == 0 {
		end = again(r, scale, out, end)
	}
	if err := home.rest(); err != nil {
		_ = out.Send(wire.KindNote, []byte(fmt.Sprintf("a file of the tests could not be brought back: %v", err)))
	}
	end.Modules = loaded()
	if err := out.SendJSON(wire.KindEnd, end); err != nil {
		return fmt.Errorf("send the end: %w", err)
	}
	// The outside ends the machine when it has read that: to power off takes
	// longer, and nothing is kept.
	select {}
}

// again runs the tests once more, silently, and tells what the kernel held before
// and holds after: by then all is loaded and learned that they need, so that what
// is more is what they have left behind.
func again(r wire.Run, scale float64, out *wire.Writer, first wire.End) wire.End {
	before := left()
	end, err := tests(r, scale, nil, nil)
	switch {
	case err != nil:
		_ = out.Send(wire.KindNote, fmt.Appendf(nil, "the tests could not be run a second time: %v", err))
	case end.Status != 0 || end.Signal != 0:
		_ = out.Send(wire.KindNote, []byte("the tests passed, but not a second time in the same machine"))
		return end
	default:
		after := left()
		first.Before, first.After = &before, &after
	}
	return first
}

// beat tells the outside from time to time that the machine has not stopped.
func beat(out *wire.Writer, every time.Duration) {
	for range time.Tick(max(every, time.Second)) {
		if out.Send(wire.KindBeat, nil) != nil {
			return
		}
	}
}

// tests runs the tests, and sends what they print, if there is where to.
func tests(r wire.Run, scale float64, port io.Reader, out *wire.Writer) (wire.End, error) {
	const scaleVariable = "NETRIG_TIMEOUT_SCALE"
	env := r.Env
	if !hasVariable(env, scaleVariable) {
		env = append(env, fmt.Sprintf("%s=%.3g", scaleVariable, scale))
	}
	null, err := os.Open("/dev/null")
	if err != nil {
		return wire.End{}, err
	}
	defer null.Close()
	var done sync.WaitGroup
	stdout, err := send(out, wire.KindOut, &done)
	if err != nil {
		return wire.End{}, err
	}
	stderr := stdout
	if !r.Merged {
		if stderr, err = send(out, wire.KindErr, &done); err != nil {
			return wire.End{}, err
		}
	}
	pid, err := syscall.ForkExec(r.Args[0], r.Args, &syscall.ProcAttr{
		Dir: r.Dir, Env: env, Files: []uintptr{null.Fd(), stdout.Fd(), stderr.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	stdout.Close()
	stderr.Close()
	if err != nil {
		return wire.End{}, fmt.Errorf("%s: %w", r.Args[0], err)
	}
	if port != nil {
		go signals(port, pid)
	}

	end := reap(pid)
	// As with go test, whatever still has the tests' output ends with them.
	_ = unix.Kill(-1, unix.SIGKILL)
	done.Wait()
	return end, nil
}

func hasVariable(env []string, name string) bool {
	for _, e := range env {
		if strings.HasPrefix(e, name+"=") {
			return true
		}
	}
	return false
}

// send makes a pipe whose content goes out in records of a kind.
func send(out *wire.Writer, k wire.Kind, done *sync.WaitGroup) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	done.Go(func() {
		defer r.Close()
		b := make([]byte, 1<<16)
		for {
			n, err := r.Read(b)
			if n > 0 && out != nil {
				_ = out.Send(k, b[:n])
			}
			if err != nil {
				return
			}
		}
	})
	return w, nil
}

// signals hands on those that come from the outside.
func signals(port io.Reader, pid int) {
	for {
		k, b, err := wire.Read(port)
		if err != nil {
			return
		}
		if k == wire.KindSignal && len(b) == 1 {
			_ = unix.Kill(pid, syscall.Signal(b[0]))
		}
	}
}

// reap waits for the tests, and for every orphan, which come to the first
// process.
func reap(tests int) wire.End {
	for {
		var status unix.WaitStatus
		var usage unix.Rusage
		pid, err := unix.Wait4(-1, &status, 0, &usage)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return wire.End{Status: 127}
		}
		if pid != tests || !status.Exited() && !status.Signaled() {
			continue
		}
		end := wire.End{Memory: usage.Maxrss << 10, Core: status.CoreDump()}
		if status.Signaled() {
			end.Signal = int(status.Signal())
		} else {
			end.Status = status.ExitStatus()
		}
		return end
	}
}
