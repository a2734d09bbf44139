package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/netrig/netrig/internal/vm/wire"
)

// Boot is what is known when a machine has started.
type Boot struct {
	Release string
	Took    time.Duration // from the start of qemu to the first process's hello
	Scale   float64       // factor for the tests' deadlines
	Accel   Accel
	Serial  bool // results go over the serial line: slow
}

// Result is what became of the tests.
type Result struct {
	Boot
	Status int            // their exit status, if Signal is 0
	Signal syscall.Signal // that ended them, or 0
	// Complaints are what the kernel printed on its console while they ran that
	// a sound kernel does not print: WARN, BUG, stalls.
	Complaints []string
	Oops       []string
	Leaks      []string // what the kernel held more after a second run of the tests; among Complaints too
	Files      []string // that were brought back
	Told       []string // what of Config.Host the machine could not apply, and why
	Modules    []string // that the kernel had loaded in the end
	Memory     int64    // bytes: the peak resident size of the tests
	Took       time.Duration
}

// limits are how long to wait for a machine that may have stopped.
type limits struct {
	boot    time.Duration // up to the hello of its first process: 2 to 4 s, and 95 beside fifty busy processes
	silence time.Duration // since its last sign of life, at least: it gives one every beatEvery
	boots   int           // the same as a multiple of the time that it took to boot, for slow machines
}

var usualLimits = limits{boot: 4 * time.Minute, silence: 30 * time.Second, boots: 20}

// Run runs the tests in a machine. The error is a *Crash when the machine ended
// before they did, context.Canceled when ctx did, and else says why they could
// not be run. Signals are handed to the tests; it may be nil.
func Run(ctx context.Context, c Config, signals <-chan syscall.Signal) (*Result, error) {
	begin := time.Now()
	if c.limits == (limits{}) {
		c.limits = usualLimits
	}
	p, err := platformOf(c.Kernel.Arch)
	if err != nil {
		return nil, err
	}
	qemu, err := p.findQemu()
	if err != nil {
		return nil, err
	}
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, err
	}
	accel, err := c.accelerator(ctx, p, qemu)
	if err != nil {
		return nil, err
	}
	result, err := c.run(ctx, p, qemu, accel, signals)
	if result != nil {
		result.Took = time.Since(begin)
	}
	return result, err
}

// run boots one machine, and sees it through.
func (c *Config) run(ctx context.Context, p platform, qemu string, accel Accel, signals <-chan syscall.Signal) (*Result, error) {
	archive, err := c.initramfs(accel)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	options := qemuOptions(p, accel, c.Kernel.Image(), c.Memory, kernelParameters(p, accel, c.Leaks, c.Append))
	begin := time.Now()
	m, err := start(qemu, flatten(options), archive)
	if err != nil {
		return nil, err
	}
	w := &watch{config: c, machine: m, console: &console{copy: c.Console}, receiver: newReceiver(c), accel: accel, begin: begin}
	return w.until(ctx, signals)
}

// watch sees a machine through to its end.
type watch struct {
	config   *Config
	machine  *machine
	console  *console
	receiver *receiver
	accel    Accel
	begin    time.Time
	readers  sync.WaitGroup
	boot     *Boot
}

func (w *watch) until(ctx context.Context, signals <-chan syscall.Signal) (*Result, error) {
	m, r := w.machine, w.receiver
	w.readers.Go(func() { w.console.read(m.console) })
	records := make(chan struct{}, 2)
	for _, f := range []*os.File{m.port, m.serial} {
		w.readers.Go(func() {
			r.read(f)
			records <- struct{}{}
		})
	}
	limit := time.NewTimer(w.config.limits.boot)
	defer limit.Stop()
	patience := w.config.limits.silence
	for {
		select {
		case <-ctx.Done():
			w.stop()
			return nil, ctx.Err()
		case h := <-r.hello:
			w.boot = &Boot{Release: h.Release, Took: time.Since(w.begin), Scale: h.Scale, Accel: w.accel, Serial: h.Serial}
			patience = max(patience, time.Duration(w.config.limits.boots)*w.boot.Took)
			limit.Reset(patience)
			if w.config.Started != nil {
				w.config.Started(*w.boot)
			}
			if len(w.config.Args) == 0 {
				w.stop()
				return &Result{Boot: *w.boot}, nil
			}
		case <-r.heard:
			if w.boot != nil {
				limit.Reset(patience)
			}
		case err := <-r.broken:
			w.stop()
			return nil, err
		case s := <-signals:
			w.signal(s)
		case e := <-r.end:
			w.stop()
			return w.ended(e)
		case how := <-m.ended:
			// What it sent before is still in our ends of the streams.
			w.readers.Wait()
			m.close()
			select {
			case e := <-r.end:
				return w.ended(e)
			default:
			}
			return nil, explain(w.console, w.config.Kernel.Release, "qemu: "+how, m.says(), w.config.Memory, w.boot != nil)
		case <-limit.C:
			w.stop()
			crash := explain(w.console, w.config.Kernel.Release, "", m.says(), w.config.Memory, w.boot != nil)
			if w.boot == nil {
				crash.Why = fmt.Sprintf("kernel %s did not start within %s", w.config.Kernel.Release, w.config.limits.boot)
			} else {
				crash.Why = fmt.Sprintf("kernel %s hangs: nothing was heard from the machine for %s", w.boot.Release, patience.Round(time.Second))
			}
			return nil, crash
		}
	}
}

// stop ends the machine, and waits until all that it sent was read.
func (w *watch) stop() {
	w.machine.kill()
	<-w.machine.ended
	w.readers.Wait()
	w.machine.close()
}

// signal hands a signal to the tests.
func (w *watch) signal(s syscall.Signal) {
	if w.boot == nil {
		return
	}
	to := w.machine.port
	if w.boot.Serial {
		to = w.machine.serial
	}
	_ = wire.NewWriter(to).Send(wire.KindSignal, []byte{byte(s)})
}

// ended makes the result of the end record.
func (w *watch) ended(e wire.End) (*Result, error) {
	if w.boot == nil {
		return nil, errors.New("the machine's end came before its start: the two netrigs are not the same")
	}
	r := &Result{
		Boot: *w.boot, Status: e.Status, Signal: syscall.Signal(e.Signal), Modules: e.Modules, Memory: e.Memory,
		Complaints: w.console.complaints, Oops: w.console.oops, Files: w.receiver.files, Told: w.receiver.told,
	}
	if e.Before != nil && e.After != nil {
		r.Leaks = grown(*e.Before, *e.After)
		r.Complaints = append(r.Complaints, r.Leaks...)
	}
	if r.Signal == syscall.SIGKILL && w.console.says("Out of memory") {
		return r, &Crash{
			Started: true,
			Why:     fmt.Sprintf("the machine ran out of memory (%d MB), and its kernel %s killed the tests", w.config.Memory, r.Release),
			Do:      fmt.Sprintf("give it more (--memory %d)", 2*w.config.Memory),
		}
	}
	errs := w.receiver.errs
	if w.console.copyFailed != nil {
		errs = append(errs, fmt.Errorf("write what the kernel prints: %w", w.console.copyFailed))
	}
	return r, errors.Join(errs...)
}
