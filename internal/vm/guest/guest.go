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

// A process that is one of the machine's own is taken over here, and never gets
// to main. The kernel calls modprobe some forty times, several at once, in a
// machine of 256 MB. Of what netrig consists of, the tables that gopacket's
// layers fill when they are initialised take 6 MB in each process, and a
// machine's processes need none of them: Go initialises packages in the order of
// their paths as far as their imports allow (The Go Programming Language
// Specification, "Program initialization"), and this one does not import net, as
// layers do. In another order it would work, and take more memory.
func init() { takeOver() }

// takeOver does not return when this process is one of the machine's own.
func takeOver() {
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
