package kernels

import (
	"path"
	"slices"
	"strings"
)

// The modules of a distribution take 100 to 400 MB unpacked, more than the
// memory of the machine they are for. A machine gets those that networks made
// of namespaces can ask for, and what these need.

// wantedTrees are directories under "kernel" whose modules are taken.
var wantedTrees = []string{
	"net",            // protocols, bridges, filters, queueing disciplines
	"crypto",         // what IPsec, WireGuard, kTLS and nf_tables (crc32c on 5.10) ask for
	"arch/*/crypto",  // the same, made for the processor
	"lib",            // libraries of the above
	"drivers/virtio", // the way the results go, on kernels that don't have it built in
	"drivers/net",    // devices without hardware: veth, vxlan, macvlan, wireguard, tun
	"fs/overlayfs",   // tests of containers
	"drivers/char",   // virtio_console
}

// unwantedTrees are parts of those: for hardware, or for networks of other
// kinds, and large.
var unwantedTrees = []string{
	"net/6lowpan", "net/appletalk", "net/atm", "net/ax25", "net/bluetooth", "net/caif", "net/can", "net/ceph", "net/ieee802154",
	"net/lapb", "net/mac80211", "net/mac802154", "net/netrom", "net/nfc", "net/phonet", "net/qrtr", "net/rds", "net/rose",
	"net/rxrpc", "net/smc", "net/sunrpc", "net/wireless", "net/x25", "net/9p",
	"drivers/net/arcnet", "drivers/net/appletalk", "drivers/net/can", "drivers/net/dsa", "drivers/net/ethernet", "drivers/net/fddi",
	"drivers/net/fjes", "drivers/net/hamradio", "drivers/net/hippi", "drivers/net/hyperv", "drivers/net/ieee802154", "drivers/net/ipa",
	"drivers/net/mctp", "drivers/net/mdio", "drivers/net/pcs", "drivers/net/phy", "drivers/net/plip", "drivers/net/thunderbolt",
	"drivers/net/usb", "drivers/net/wan", "drivers/net/wireless", "drivers/net/wwan", "drivers/net/xen-netback", "drivers/net/vmxnet3",
}

// wantedOfChar are the only modules of drivers/char.
var wantedOfChar = []string{"virtio_console", "virtio_rng"}

// wanted tells by a module's path below "kernel", "net/bridge/bridge.ko",
// whether a machine gets it for its own sake. Modules that the machine's
// administrator added, elsewhere than below "kernel", are not.
func wanted(name string) bool {
	if strings.HasPrefix(name, "drivers/char/") {
		return slices.Contains(wantedOfChar, moduleName(name))
	}
	in := func(tree string) bool {
		depth := strings.Count(tree, "/") + 1
		parts := strings.Split(name, "/")
		if len(parts) <= depth {
			return false
		}
		ok, _ := path.Match(tree, strings.Join(parts[:depth], "/"))
		return ok
	}
	return slices.ContainsFunc(wantedTrees, in) && !slices.ContainsFunc(unwantedTrees, in)
}

// moduleName is the kernel's name of the module in a file, "nf_nat" of
// "net/netfilter/nf-nat.ko.xz".
func moduleName(file string) string {
	base, _, _ := strings.Cut(path.Base(file), ".ko")
	return underscores(base)
}
