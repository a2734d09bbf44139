package limit

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestHint(t *testing.T) {
	var l unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &l))
	wrapped := func(err error) error { return fmt.Errorf("open a socket: %w", err) }
	for err, want := range map[error]string{
		wrapped(unix.EMFILE): fmt.Sprintf("of %d: raise `ulimit -n`", l.Cur),
		wrapped(unix.ENFILE): "fs.file-max", wrapped(unix.ENOMEM): "memory.max",
		wrapped(&fs.PathError{Op: "fork/exec", Path: "/bin/true", Err: unix.EAGAIN}): "`ulimit -u`",
		wrapped(&fs.PathError{Op: "fork/exec", Path: "/bin/true", Err: unix.EBADF}):  "`ulimit -n`",
	} {
		assert.Contains(t, Hint(err), want)
	}
	said := fmt.Errorf("x: %w%s", unix.EMFILE, Hint(unix.EMFILE))
	assert.Empty(t, Hint(fmt.Errorf("node a: %w", said)), "once is enough")
	for _, err := range []error{nil, unix.EIO, wrapped(unix.EAGAIN), wrapped(unix.EBADF), unix.ENOSPC} {
		assert.Empty(t, Hint(err), "nothing is made up about %v", err)
	}
	for _, err := range []error{unix.ENOSPC, wrapped(unix.EDQUOT)} {
		assert.Contains(t, Disk(err, "TMPDIR"), "make room, or write elsewhere: TMPDIR")
	}
	assert.Contains(t, Disk(unix.EMFILE, "TMPDIR"), "ulimit -n")
	assert.Empty(t, Disk(unix.EACCES, "TMPDIR"))
}
