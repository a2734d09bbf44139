// Package guest is what runs inside a virtual machine: the first process, which
// runs the tests and sends home what they did, and /sbin/modprobe, which the
// kernel calls when it wants a module. Both are the netrig program itself under
// another name: an archive with one program has nothing that can be missing.
package guest

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/vm/wire"
)

// Main takes over when this process is one of the machine's own, and then does
// not return. It must come before anything else in main.
func Main() {
	switch {
	case os.Getpid() == 1 && os.Args[0] == wire.Init:
		err := run()
		// The console is all that is left to tell it by.
		fmt.Fprintf(os.Stderr, "netrig: init: %v\n", err)
		off()
	case filepath.Base(os.Args[0]) == "modprobe":
		if err := modprobe(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// off ends the machine. If the first process returned instead, the kernel would
// panic.
func off() {
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) // without ACPI; qemu ends then too (-no-reboot)
	select {}
}
