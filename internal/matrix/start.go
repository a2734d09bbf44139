package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/vm"
)

// start runs a job for real.
func start(ctx context.Context, c *Config, j job) (*vm.Result, error) {
	if j.column.Outside {
		return outside(ctx, j)
	}
	env := append(os.Environ(), journal.Variable+"="+j.journals)
	config := vm.Config{
		Kernel: j.column.kernel, Self: c.Self, Args: append([]string{j.binary.path}, j.args...), Env: env, Dir: j.binary.dir,
		Memory: c.Memory, Accel: c.Accel, Host: c.Host, Stdout: j.output, Stderr: j.output, Console: j.console,
		Say: c.Progress.Say, CacheDir: c.Cache.Dir(), Started: j.booted,
	}
	return vm.Run(ctx, config, nil)
}

// outside runs it on the running kernel. The harness puts it into a sandbox.
func outside(ctx context.Context, j job) (*vm.Result, error) {
	begin := time.Now()
	cmd := exec.CommandContext(ctx, j.binary.path, j.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = j.binary.dir, j.output, j.output
	cmd.Env = append(os.Environ(), journal.Variable+"="+j.journals)
	// Ctrl-C is for us: its process ends the others when it is told to.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r := &vm.Result{Took: time.Since(begin)}
	var ended *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &ended) && ended.ExitCode() >= 0:
		r.Status = ended.ExitCode()
	default:
		return nil, fmt.Errorf("run the tests of %s on the running kernel: %w", j.binary.pkg, err)
	}
	return r, nil
}
