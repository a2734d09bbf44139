package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// contender is a process that does the works in its own way.
type contender struct {
	name    string
	command []string
	env     []string
	in      io.WriteCloser
	lines   chan string // what it answers; closed at its end
	process *exec.Cmd
	says    *tail
}

// contenders are all that there are, netrig first.
func contenders() []*contender {
	worker := func(name string, command ...string) *contender {
		return &contender{name: name, command: command, env: []string{roleVariable + "=worker " + name, selfVariable + "=" + self()}}
	}
	n := worker("netrig", self(), "-test.run=^TestWorker$", "-test.timeout=0")
	n.env = append(n.env, "NETRIG_SANDBOX=", "NETRIG_JOURNAL=")
	shell := worker("shell", "./sandbox.sh", "./shell.sh")
	mininet := worker("mininet", "./sandbox.sh", "./mininet_peer.py")
	for _, script := range []*contender{shell, mininet} {
		script.env[0] = roleVariable + "=" // only its senders have one
	}
	return []*contender{n, shell, mininet, worker("plain", "./sandbox.sh", self()), worker("floor", "./sandbox.sh", self())}
}

// start starts the process, unless it runs.
func (c *contender) start() error {
	if c.process != nil {
		return nil
	}
	c.says = &tail{}
	p := exec.Command(c.command[0], c.command[1:]...)
	p.Env = append(os.Environ(), c.env...)
	p.Stderr = c.says
	// A group of its own, so that all of it can be ended.
	p.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	in, err := p.StdinPipe()
	if err != nil {
		return err
	}
	out, err := p.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			// The rest is what the package testing says.
			if strings.HasPrefix(s.Text(), "ok ") || strings.HasPrefix(s.Text(), "no ") {
				lines <- s.Text()
			} else {
				fmt.Fprintln(c.says, s.Text())
			}
		}
	}()
	c.process, c.in, c.lines = p, in, lines
	return nil
}

// stop ends the process and all that it has started.
func (c *contender) stop() {
	if c.process == nil {
		return
	}
	c.in.Close()
	_ = unix.Kill(-c.process.Process.Pid, unix.SIGKILL) // it may have ended
	for range c.lines {
	}
	_ = c.process.Wait() // killed
	c.process = nil
}

// ask hands work to the contender. One that takes longer than limit is ended,
// and has refused.
func (c *contender) ask(work string, size, times int, limit time.Duration) (answer, error) {
	if err := c.start(); err != nil {
		return answer{}, fmt.Errorf("start %s: %w", c.name, err)
	}
	if _, err := fmt.Fprintf(c.in, "%s %d %d\n", work, size, times); err != nil {
		return answer{}, fmt.Errorf("%s: %w\n%s", c.name, err, c.says)
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case line, ok := <-c.lines:
		if !ok {
			c.stop()
			return answer{}, fmt.Errorf("%s has ended over %s %d\n%s", c.name, work, size, c.says)
		}
		return parseAnswer(line)
	case <-late.C:
		c.stop()
		return answer{refused: fmt.Sprintf("not done after %.0f s", limit.Seconds())}, nil
	}
}

// tail keeps the end of what was written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
