package trial

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal (pty(7)): what its user sees, and types.
type terminal struct {
	*os.File
	mu   sync.Mutex
	seen bytes.Buffer
}

// terminal makes a terminal, and its other end for a victim.
func newTerminal(t *testing.T) (*terminal, *os.File) {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	raw, err := f.SyscallConn()
	require.NoError(t, err)
	var number int
	require.NoError(t, raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	require.NoError(t, err)
	other, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	term := &terminal{File: f}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := f.Read(b)
			term.mu.Lock()
			term.seen.Write(b[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return term, other
}

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(t.seen.String(), "\r\n", "\n")
}

// await returns when the terminal shows a text.
func (term *terminal) await(t *testing.T, text string) {
	t.Helper()
	err := deadline.Poll(20*time.Second, text, func() (bool, error) { return strings.Contains(term.text(), text), nil })
	require.NoError(t, err, "the terminal shows\n%s", term.text())
}

// held starts a victim whose lab is held, on a terminal of its own if there is
// to be one.
func (who user) held(t *testing.T, on *os.File, env string, args ...string) *victim {
	t.Helper()
	v := who.victim(t, "fails", args...)
	v.Env = append(v.Env, env)
	if on != nil {
		v.SysProcAttr.Setsid, v.SysProcAttr.Setctty, v.SysProcAttr.Ctty = true, true, 0
		v.Stdin = on
	} else {
		v.SysProcAttr.Setsid = true // and so without the terminal of whoever runs this test
	}
	v.start()
	if on != nil {
		on.Close()
	}
	return v
}

// line is the command that a held lab gives for a node.
func line(t *testing.T, text, node string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^    ` + node + ` +(nsenter .*)$`).FindStringSubmatch(text)
	require.NotNil(t, m, "no line for %s in\n%s", node, text)
	return m[1]
}

// run runs a shell's line as the victim's user, outside of the sandbox.
func (who user) run(line string) (string, error) {
	cmd := exec.Command("sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who.credential()}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestHeld: a failed test's lab stays up until Enter; the lines that it prints
// lead into its nodes from outside, as they are; then all is gone.
func TestHeld(t *testing.T) {
	need(t, "nsenter", "ip", "sh", "ps")
	for _, who := range users() {
		t.Run(string(who), func(t *testing.T) {
			machine := primed(t, who)
			term, other := newTerminal(t)
			v := who.held(t, other, "NETRIG_HOLD=1", "-test.timeout=10m") // as go test has it
			go v.readRest()
			term.await(t, "netrig: Enter lets go of it, here, or kill -USR1 ")
			text := term.text()
			assert.Contains(t, text, "netrig: TestVictim/1 has failed; its lab stays up\n")
			assert.Regexp(t, `victim_test.go:\d+: client cannot reach 10.0.0.77: host unreachable from 10.0.0.1; want an answer`, text)
			assert.Contains(t, text, "the ARP request ended in server: neighbour unreachable")
			assert.Regexp(t, `-timeout of 10m0s ends it at \d\d:\d\d:\d\d; run with -timeout 0`, text)

			for node, address := range map[string]string{"client": "192.168.1.2/24", "gateway": "192.168.1.1/24", "server": "10.0.0.2/24"} {
				into := line(t, text, node)
				out, err := who.run(into + " ip -o addr")
				require.NoError(t, err, "%s\n%s", into, out)
				assert.Contains(t, out, address, into)
			}
			// With the node's own /sys, the other nodes by name, the server still
			// listening, and the processes of the sandbox.
			out, err := who.run(line(t, text, "gateway") + ` sh -c 'ls /sys/class/net; ip -n client -o addr; ps -e -o args='`)
			require.NoError(t, err, out)
			for _, want := range []string{"br0\n", "192.168.1.2/24", "sleep 1000"} {
				assert.Contains(t, out, want)
			}
			out, err = who.run(line(t, text, "client") + ` ping -c 1 -W 2 10.0.0.2`)
			require.NoError(t, err, out)

			// A shell that is still open when the lab ends, ends too.
			open := exec.Command("sh", "-c", "exec "+line(t, text, "server")+" sh")
			open.SysProcAttr = &syscall.SysProcAttr{Credential: who.credential()}
			stdin, err := open.StdinPipe()
			require.NoError(t, err)
			stdout, err := open.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, open.Start())
			_, err = io.WriteString(stdin, "echo ready\n")
			require.NoError(t, err)
			_, err = io.ReadFull(stdout, make([]byte, 6))
			require.NoError(t, err)

			_, err = term.WriteString("\n")
			require.NoError(t, err)
			_ = v.Wait()
			ended := time.Now()
			gone := make(chan error, 1)
			go func() { gone <- open.Wait() }()
			select {
			case err := <-gone:
				assert.Error(t, err, "it was killed")
			case <-time.After(deadline.Of(limit)):
				_ = open.Process.Kill()
				require.Fail(t, "the shell in the node outlives the lab")
			}
			assert.Equal(t, "exit status 1", v.ProcessState.String(), "%s", v.log())
			assert.Contains(t, term.text(), "netrig: TestVictim/1: let go")
			assert.Contains(t, v.log(), "cannot reach 10.0.0.77")
			v.requireNothingLeft(machine, ended, true)
		})
	}
}

// TestHeldWithoutTerminal: a signal to the process that is named lets go.
func TestHeldWithoutTerminal(t *testing.T) {
	for _, who := range users() {
		t.Run(string(who), func(t *testing.T) {
			machine := primed(t, who)
			v := who.held(t, nil, "NETRIG_HOLD=1", "-test.timeout=0")
			go v.readRest()
			var said []string
			err := deadline.Poll(20*time.Second, "the lab is held", func() (bool, error) {
				said = regexp.MustCompile(`netrig: kill -USR1 (\d+) lets go of it`).FindStringSubmatch(v.log())
				return said != nil, nil
			})
			require.NoError(t, err, "%s", v.log())
			out, err := who.run("kill -USR1 " + said[1])
			require.NoError(t, err, out)
			_ = v.Wait()
			assert.Equal(t, "exit status 1", v.ProcessState.String(), "%s", v.log())
			assert.NotContains(t, v.log(), "-timeout", "there is none")
			v.requireNothingLeft(machine, time.Now(), true)
		})
	}
}

// TestHeldIsKilled: a held lab goes with a signal as ever.
func TestHeldIsKilled(t *testing.T) {
	for _, who := range users() {
		t.Run(string(who), func(t *testing.T) {
			machine := primed(t, who)
			term, other := newTerminal(t)
			v := who.held(t, other, "NETRIG_HOLD=always")
			go v.readRest()
			term.await(t, "Enter lets go of it")
			v.holdNamespaces()
			_, err := term.Write([]byte{3}) // Ctrl-C
			require.NoError(t, err)
			_ = v.Wait()
			assert.Equal(t, "signal: interrupt", v.ProcessState.String(), "%s", v.log())
			v.requireNothingLeft(machine, time.Now(), false)
		})
	}
}

// TestHoldAlways holds a lab whose test passes, and 1 does not.
func TestHoldAlways(t *testing.T) {
	who := users()[0]
	primed(t, who)
	v := who.victim(t, "labs=2")
	term, other := newTerminal(t)
	v.Env = append(v.Env, "NETRIG_HOLD=always")
	v.SysProcAttr.Setsid, v.SysProcAttr.Setctty = true, true
	v.Stdin = other
	v.start()
	other.Close()
	go v.readRest()
	for i, name := range []string{"TestVictim/1", "TestVictim/2"} {
		term.await(t, name+" has ended; its lab stays up")
		err := deadline.Poll(20*time.Second, "Enter", func() (bool, error) { return strings.Count(term.text(), "Enter lets go of it") == i+1, nil })
		require.NoError(t, err, "%s", term.text())
		_, err = term.WriteString("\n")
		require.NoError(t, err)
		term.await(t, name+": let go")
	}
	require.NoError(t, v.Wait(), "%s", v.log())

	v = who.victim(t, "labs=1")
	v.Env = append(v.Env, "NETRIG_HOLD=1")
	v.start()
	v.readAll()
	require.NoError(t, v.Wait(), "%s", v.log())

	v = who.victim(t, "labs=1")
	v.Env = append(v.Env, "NETRIG_HOLD=yes")
	v.start()
	v.readAll()
	require.NoError(t, v.Wait(), "%s", v.log())
	assert.Contains(t, v.log(), `NETRIG_HOLD="yes" asks for nothing`)
}
