package harness

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/vishvananda/netlink"
)

// SetLearning says whether the bridge learns who is behind this port, as it
// does by default; where it does not, frames to them are flooded (`ip link set
// dev PORT type bridge_slave learning on|off`). What it knows already stays,
// and ages.
func (p *Port) SetLearning(on bool) {
	p.node.lab.TB.Helper()
	p.connected("SetLearning")
	if p.bridge == nil {
		p.node.fatalf("interface %s: SetLearning: it is not a port of a bridge", p.name)
	}
	p.must(p.node.route.LinkSetLearning(p.link(), on), "set its learning to %t", on)
	p.node.did("%s %t", p.name, on)
}

// SetAgeing changes for how long the bridge remembers where a hardware address
// was seen, from its last frame on: what is older is forgotten at once.
func (b *Bridge) SetAgeing(d time.Duration) {
	b.node.lab.TB.Helper()
	b.node.must(checkAgeing(d), "bridge %s", b.name)
	attrs, ticks := netlink.NewLinkAttrs(), uint32(d/userHZ)
	// By its name: told the index too, kernels before 6.2 take the name for a new
	// one, and refuse since the bridge is up.
	attrs.Name = b.name
	err := b.node.route.LinkModify(&netlink.Bridge{LinkAttrs: attrs, AgeingTime: &ticks})
	b.node.must(err, "set the ageing time of the bridge %s to %s", b.name, d)
	b.settings.ageing = d
	b.node.did("%s %s", b.name, d)
}

// checkAgeing follows the kernel, which counts in unsigned 32-bit hundredths of
// a second.
func checkAgeing(d time.Duration) error {
	if ticks := d / userHZ; d != 0 && ticks < 1 || d < 0 || ticks > math.MaxUint32 {
		return fmt.Errorf("an ageing time of %s is not 0, nor between 10ms and %s", d, math.MaxUint32*userHZ)
	}
	return nil
}

// AwaitForgotten returns when the bridge knows no longer where a hardware
// address is: its ageing time after the last frame from there, when the kernel
// has come to it (br_fdb_cleanup). Permanent entries don't count.
func (b *Bridge) AwaitForgotten(mac net.HardwareAddr) {
	b.node.lab.TB.Helper()
	if len(mac) != 6 {
		b.node.fatalf("bridge %s: AwaitForgotten: %q is no hardware address", b.name, mac)
	}
	missing := fmt.Sprintf("the bridge %s, whose ageing time is %s, has not forgotten %s", b, b.settings.ageing, mac)
	err := deadline.Poll(b.settings.ageing+linkTime, missing, func() (bool, error) {
		for _, e := range b.node.ForwardingDatabase() {
			if e.Bridge == b.name && !e.Permanent && bytes.Equal(e.MAC, mac) {
				return false, nil
			}
		}
		return true, nil
	})
	b.node.must(err, "wait for the forwarding database")
}
