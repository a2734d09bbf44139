package ns

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

func TestHints(t *testing.T) {
	for errno, says := range map[unix.Errno]string{
		unix.ENOSPC: "user.max_net_namespaces", unix.EPERM: "harness.Main",
	} {
		assert.Contains(t, hint(errno), says)
	}
	assert.Empty(t, hint(unix.EIO), "nothing is made up about an error that is not known")
}
