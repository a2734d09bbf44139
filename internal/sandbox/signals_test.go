package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// next is the next line that the victim prints.
func (v *victim) next(lines *bufio.Reader) string {
	v.t.Helper()
	line, err := lines.ReadString('\n')
	if err != nil {
		v.Wait()
	}
	require.NoError(v.t, err, "%s\n%s", v.ProcessState, v.out)
	return strings.TrimSpace(line)
}

// Signals to the outside reach the tests once each and in order, and end nothing
// if the tests handle them.
func TestSignalsForwarded(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		v := who.command(t, "-test.run=^TestSignals$")
		lines := v.startReady()
		for _, s := range []syscall.Signal{
			unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGWINCH, unix.SIGINT, unix.SIGUSR2,
		} {
			require.NoError(t, v.Process.Signal(s))
			assert.Equal(t, fmt.Sprint("got ", s), v.next(lines))
		}
		assert.Equal(t, "PASS", v.next(lines))
		require.NoError(t, v.Wait())
	})
}

// A key on a terminal sends its signal to all three stages. The tests must not
// get it twice: many programs take the second SIGINT for "at once".
func TestTerminal(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		master, slave := terminal(t)
		v := who.command(t, "-test.run=^TestSignals$")
		v.Stdin = slave
		v.SysProcAttr.Setsid, v.SysProcAttr.Setctty = true, true
		lines := v.startReady()
		for range 3 {
			_, err := master.Write([]byte{3}) // Ctrl-C
			require.NoError(t, err)
			assert.Equal(t, "got interrupt", v.next(lines))
			// Had the first been handed on as well, it would come before this one.
			require.NoError(t, v.Process.Signal(unix.SIGUSR1))
			assert.Equal(t, "got user defined signal 1", v.next(lines))
		}
		_, err := master.Write([]byte{28}) // Ctrl-\
		require.NoError(t, err)
		assert.Equal(t, "got quit", v.next(lines))
		require.NoError(t, v.Process.Signal(unix.SIGUSR2))
		assert.Equal(t, "got user defined signal 2", v.next(lines))
		assert.Equal(t, "PASS", v.next(lines))
		require.NoError(t, v.Wait())
	})
}

// Ctrl-C ends tests that don't handle it, and leaves nothing.
func TestTerminalKills(t *testing.T) {
	need(t, "setsid", "sleep")
	everyone(t, func(t *testing.T, who user) {
		master, slave := terminal(t)
		v := who.command(t, "-test.run=^TestDaemon$").with("VICTIM_THEN=hang")
		v.Stdin = slave
		v.SysProcAttr.Setsid, v.SysProcAttr.Setctty = true, true
		v.startReady()
		_, err := master.Write([]byte{3})
		require.NoError(t, err)
		v.Wait()
		v.requireGone()
		assert.Equal(t, "signal: interrupt", v.ProcessState.String(), v.out)
	})
}

// terminal opens a pseudo-terminal (pty(7)).
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func TestPairs(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	end := int(groupWindow.Milliseconds())
	var p pairs
	assert.Nil(t, p.timer(at(0)), "nothing is waited for")
	assert.Empty(t, p.due(at(0)))

	p.add(unix.SIGINT, toFirst, at(0)) // to the group
	p.add(unix.SIGTERM, toOutside, at(1))
	p.add(unix.SIGINT, toOutside, at(2))
	p.add(unix.SIGHUP, toFirst, at(3))
	p.add(unix.SIGTERM, toOutside, at(4)) // twice to the same process is twice
	assert.NotNil(t, p.timer(at(4)))
	assert.Empty(t, p.due(at(end)))
	assert.Equal(t, []syscall.Signal{unix.SIGTERM, unix.SIGHUP}, p.due(at(end+3)))
	assert.Equal(t, []syscall.Signal{unix.SIGTERM}, p.due(at(end+4)))
	assert.Empty(t, p.due(at(10*end)))
}
