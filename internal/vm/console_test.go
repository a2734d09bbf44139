package vm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestComplaints(t *testing.T) {
	for _, line := range []string{
		"[    1.2] WARNING: CPU: 0 PID: 1 at net/core/dev.c:11111 f+0x1/0x2",
		"[  12.000001][   T33] BUG: kernel NULL pointer dereference, address: 0000000000000008",
		"[    1.2] kernel BUG at net/core/skbuff.c:1!",
		"[    1.2] Oops: 0002 [#1] PREEMPT SMP",
		"[    1.2] Kernel panic - not syncing: Fatal exception",
		"[  242.1] INFO: task kworker/0:1:10 blocked for more than 120 seconds.",
		"[    1.2] rcu: INFO: rcu_preempt self-detected stall on CPU",
		"[   40.1] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [x:1]",
		"[   40.1] unregister_netdevice: waiting for lo to become free. Usage count = 2",
		"[   40.1] Out of memory: Killed process 99 (lan.test) total-vm:1kB",
		"[   40.1] refcount_t: underflow; use-after-free.",
		"WARNING: possible circular locking dependency detected",
		"netrig: init: mount /proc: no such device",
	} {
		c := &console{}
		c.line(line)
		assert.Len(t, c.complaints, 1, line)
	}
	for _, line := range []string{
		"[    0.7] acpi PNP0A03:00: fail to add MMCONFIG information, can't access extended PCI configuration space under this bridge.",
		"[    0.1] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!",
		"[    9.9] debug: tests print whatever they like",
	} {
		c := &console{}
		c.line(line)
		assert.Empty(t, c.complaints, line)
	}
}

// The report of a crash is kept whole, also when much is printed after it.
func TestOops(t *testing.T) {
	c := &console{}
	text := "[ 1.0] all is well\n[ 2.0] BUG: kernel NULL pointer dereference, address: 8\n[ 2.1] RIP: 0010:veth_xmit+0x1/0x2\n" +
		"[ 2.2] ---[ end trace 0 ]---\r\n" + strings.Repeat("[ 3.0] later\n", 100) + "unfinished"
	c.read(strings.NewReader(text))
	assert.Equal(t, []string{"[ 2.0] BUG: kernel NULL pointer dereference, address: 8", "[ 2.1] RIP: 0010:veth_xmit+0x1/0x2", "[ 2.2] ---[ end trace 0 ]---"}, c.oops)
	assert.Len(t, c.tail, tailLines)
	assert.Equal(t, "unfinished", c.tail[tailLines-1])
}

func TestExplain(t *testing.T) {
	for text, want := range map[string]string{
		"Initramfs unpacking failed: write error\nKernel panic - not syncing: No working init found.": "the tests and their files don't fit into the machine's 256 MB: give it more (--memory 512)",
		"Out of memory: Killed process 1 (init)\nKernel panic - not syncing: System is deadlocked":    "kernel 6.1 ran out of memory (256 MB): give it more (--memory 512)",
		"Kernel panic - not syncing: Fatal exception":                                                 "kernel 6.1 crashed",
		"netrig: init: mount /proc: no such device":                                                   "the machine's first process could not go on",
		"something": "the machine ended before the tests did (qemu: signal: killed), and its kernel 6.1 complained of nothing",
		"":          "the machine ended before its kernel said anything (qemu: signal: killed)",
	} {
		c := &console{}
		c.read(strings.NewReader(text))
		crash := explain(c, "6.1", "qemu: signal: killed", "", 256, false)
		assert.Contains(t, crash.Error(), want)
		if text != "" {
			assert.Contains(t, crash.Error(), "\n    ", "the console is shown")
		}
	}
}
