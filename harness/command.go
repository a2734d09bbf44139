package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/limit"
	"golang.org/x/sys/unix"
)

// Cmd is an exec.Cmd whose program runs in a node. Start, Run, Output and
// CombinedOutput enter the node; everything else is exec.Cmd's.
type Cmd struct {
	*exec.Cmd
	node *Node

	wait  sync.Once
	err   error       // of Wait
	ended atomic.Bool // Wait is over
	gone  bool        // and nobody was left in the process group
}

// Command is a program to be run in the node. It sees the node's interfaces
// (also below /sys), its own /etc/resolv.conf when UseResolver was called, and
// the nodes of the lab by name for `ip -n NAME` and `ip netns exec NAME`. What
// still runs when the test ends is killed, with its process group.
func (n *Node) Command(name string, args ...string) *Cmd {
	return n.wrap(exec.Command(name, args...))
}

// CommandContext is Command, killed when ctx ends.
func (n *Node) CommandContext(ctx context.Context, name string, args ...string) *Cmd {
	return n.wrap(exec.CommandContext(ctx, name, args...))
}

func (n *Node) wrap(c *exec.Cmd) *Cmd {
	// Output may be held open by a grandchild that outlives the program.
	c.WaitDelay = deadline.Of(time.Second)
	return &Cmd{Cmd: c, node: n}
}

// Run runs a program in the node and returns what it printed on its standard
// output. The test fails when the program can't be started or does not exit
// with 0, with what it printed on standard error.
func (n *Node) Run(name string, args ...string) string {
	n.lab.TB.Helper()
	c := n.Command(name, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		n.fatalf("%s: %v\n%s%s", c, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// Start starts the program in the node.
func (c *Cmd) Start() error {
	if c.Err != nil {
		return c.explain(c.Err)
	}
	if err := c.node.letIn(); err != nil {
		return c.explain(err)
	}
	mounts, err := c.node.mountSpace()
	if err != nil {
		return c.explain(err)
	}
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A group of its own, so that what the program starts ends with it. A session
	// of its own comes with one.
	c.SysProcAttr.Setpgid = !c.SysProcAttr.Setsid
	// The child takes the namespaces of the thread that starts it. This thread
	// can't leave the mount namespace again cleanly (its file system context is
	// no longer shared with the others), so it ends with its goroutine.
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		failed <- c.startHere(mounts)
	}()
	if err := <-failed; err != nil {
		return c.explain(err)
	}
	c.node.did("%s", commandLine{c.Args})
	c.node.onStop(c.kill)
	return nil
}

func (c *Cmd) startHere(mounts *mountSpace) error {
	if err := mounts.enter(); err != nil {
		return err
	}
	if err := unix.Setns(c.node.space.Fd(), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	return c.Cmd.Start()
}

func (c *Cmd) explain(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("%w: install the Debian package %s", err, packageOf(c.Args[0]))
	}
	return fmt.Errorf("run %s in node %s: %w%s", c.Args[0], c.node.name, err, limit.Hint(err))
}

// Wait waits for the program to end, as exec.Cmd.Wait does; several may wait.
func (c *Cmd) Wait() error {
	if c.Process == nil {
		return c.Cmd.Wait() // which says that it was not started
	}
	c.wait.Do(func() {
		c.err = c.Cmd.Wait()
		// Its number may be another's once nobody is left in the group.
		c.gone = unix.Kill(-c.Process.Pid, 0) == unix.ESRCH
		c.ended.Store(true)
		if errors.Is(c.err, exec.ErrWaitDelay) {
			c.err = fmt.Errorf("%w: a program that it started still holds its output: give that another, or set Stdout and Stderr to files", c.err)
		}
	})
	return c.err
}

// Run starts the program in the node and waits for it to end.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns its standard output. As with exec.Cmd,
// an *exec.ExitError then holds what it printed on standard error.
func (c *Cmd) Output() ([]byte, error) {
	var stdout, stderr bytes.Buffer
	if c.Stdout != nil {
		return nil, errors.New("netrig: Stdout already set")
	}
	c.Stdout = &stdout
	keep := c.Stderr == nil
	if keep {
		c.Stderr = &stderr
	}
	err := c.Run()
	var exit *exec.ExitError
	if keep && errors.As(err, &exit) {
		exit.Stderr = stderr.Bytes()
	}
	return stdout.Bytes(), err
}

// CombinedOutput runs the program and returns its standard output and standard
// error together.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("netrig: Stdout or Stderr already set")
	}
	var both bytes.Buffer
	c.Stdout, c.Stderr = &both, &both
	err := c.Run()
	return both.Bytes(), err
}

// kill ends the program and its process group, which may outlive it.
func (c *Cmd) kill() {
	if c.ended.Load() {
		if !c.gone {
			_ = unix.Kill(-c.Process.Pid, unix.SIGKILL)
		}
		return
	}
	_ = c.Process.Kill()
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		_ = c.Wait()
	}()
	// Whoever waits for its output waits for the group too.
	_ = unix.Kill(-c.Process.Pid, unix.SIGKILL)
	<-waited
}
