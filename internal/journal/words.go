package journal

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/netrig/netrig/capture"
)

// This file is the one place where values that are different whenever a lab is
// built become words that are not. What it leaves alone is compared.

// Words knows the names of a lab by its hardware addresses.
type Words struct{ macs map[string]string }

// NewWords makes the words of a lab from its MACs, as node:interface.
func NewWords(macs map[string]string) Words { return Words{macs} }

// made is what stands for an address that somebody outside the lab made up.
const made = "made up"

// MAC is a hardware address as the name of its interface. One that is not of the
// lab was made up by the kernel or by a program.
func (w Words) MAC(mac net.HardwareAddr) string {
	text := mac.String()
	switch name := w.macs[text]; {
	case len(mac) == 0:
		return ""
	case name != "":
		return name
	case text == "ff:ff:ff:ff:ff:ff":
		return "broadcast"
	case text == "00:00:00:00:00:00":
		return "none"
	case mac[0]&1 == 1:
		return "group " + text
	}
	return made
}

// Addr is an IP address. A link-local one that is made of a MAC is told by its
// interface.
func (w Words) Addr(a netip.Addr) string {
	a = a.WithZone("")
	b := a.As16()
	switch {
	case !a.IsValid():
		return ""
	case a.Is6() && a.IsLinkLocalUnicast():
		switch {
		case b[11] == 0xff && b[12] == 0xfe: // RFC 4291, appendix A: the modified EUI-64
			return "fe80::(" + w.MAC(net.HardwareAddr{b[8] ^ 2, b[9], b[10], b[13], b[14], b[15]}) + ")"
		case [4]byte(b[8:12]) != [4]byte{}: // RFC 7217; one that somebody typed is short
			return "fe80::(" + made + ")"
		}
	}
	return a.String()
}

// firstEphemeral is where net.ipv4.ip_local_port_range begins: ports from there
// on are the kernel's choice.
const firstEphemeral = 32768

const ephemeral = "ephemeral"

// port is a port; translated tells that it was another before. Of one that the
// kernel chose that alone is known.
func port(p, before uint16) string {
	switch {
	case p < firstEphemeral:
		return strconv.Itoa(int(p))
	case before >= firstEphemeral && p != before:
		return ephemeral + " (translated)"
	}
	return ephemeral
}

// AddrPort is an address with a port; before is the port that it had in the
// same place before a translation, 0 for none.
func (w Words) AddrPort(a netip.AddrPort, before uint16) string {
	if !a.Addr().IsValid() {
		return ""
	}
	return w.end(a.Addr(), port(a.Port(), before))
}

func (w Words) end(a netip.Addr, port string) string {
	text := w.Addr(a)
	if strings.Contains(text, ":") {
		text = "[" + text + "]"
	}
	return text + ":" + port
}

// Timeout is how long an entry is still there, rounded up: what has passed since
// its last packet is seconds. Up to 10 minutes a step is 10 s, beyond a minute.
func Timeout(d time.Duration) string {
	step := 10 * time.Second
	if d > 10*time.Minute {
		step = time.Minute
	}
	return ((d + step - 1) / step * step).String()
}

// Packets puts the packets of a window into words, in their order; during tells
// the number of the verb that had begun last at a time, from 1, and whether it
// had ended.
func (w Words) Packets(window capture.Window, during func(time.Time) (verb int, ended bool)) []Packet {
	numbers := map[*capture.Flight]int{}
	var all []Packet
	for _, p := range window.Packets() {
		flight := window.Follow(p)
		if numbers[flight] == 0 {
			numbers[flight] = len(numbers) + 1
		}
		words := w.packet(p, flight.First())
		words.Flight = numbers[flight]
		words.During, words.After = during(p.Time)
		all = append(all, words)
	}
	return all
}

// packet is one sighting; first is that where the packet was seen first, which
// tells what was translated since.
func (w Words) packet(p, first *capture.Packet) Packet {
	words := Packet{
		At: p.Where(), Direction: p.Direction.String(), Kind: kind(p), TTL: p.TTL, Detail: w.detail(p, first),
		Housekeeping: p.Housekeeping(),
	}
	words.Src, words.Dst = w.ends(p, first)
	if p.SrcMAC != nil {
		words.MACs = w.MAC(p.SrcMAC) + " > " + w.MAC(p.DstMAC)
	}
	return words
}

func (w Words) ends(p, first *capture.Packet) (src, dst string) {
	if p.Kind == capture.TCP || p.Kind == capture.UDP {
		return w.end(p.Src, port(p.SrcPort, first.SrcPort)), w.end(p.Dst, port(p.DstPort, first.DstPort))
	}
	return w.Addr(p.Src), w.Addr(p.Dst)
}

// kind says what the packet is: of TCP with its flags, of an ICMP error with
// its reason.
func kind(p *capture.Packet) string {
	switch p.Kind {
	case capture.TCP:
		return "TCP " + p.TCPFlags.String()
	case capture.UDP:
		return "UDP"
	case capture.DestinationUnreachable, capture.TimeExceeded, capture.ParameterProblem:
		return fmt.Sprintf("%s (%s)", p.Kind, p.Reason())
	case capture.Redirect:
		return fmt.Sprintf("%s (code %d)", p.Kind, p.ICMPCode)
	case capture.Other, capture.IPFragment:
		return fmt.Sprintf("%s (protocol %d)", p.Kind, p.Protocol)
	}
	return string(p.Kind)
}

func (w Words) detail(p, first *capture.Packet) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if p.VLAN != 0 {
		add("vlan %d", p.VLAN)
	}
	switch {
	case p.ARP != nil && p.Kind == capture.ARPReply:
		add("%s is at %s", p.ARP.SenderIP, w.MAC(p.ARP.SenderMAC))
	case p.ND != nil && p.ND.Target.IsValid():
		add("target %s", w.Addr(p.ND.Target))
		if p.ND.LinkLayer != nil {
			add("at %s", w.MAC(p.ND.LinkLayer))
		}
		if p.ND.Router {
			add("a router")
		}
	}
	if p.Kind == capture.Redirect {
		if gateway, ok := redirectGateway(p); ok {
			add("to %s", gateway)
		}
	}
	if p.Kind == capture.PacketTooBig {
		add("mtu %d", p.MTU)
	}
	if p.TOS != 0 {
		add("type of service 0x%02x", p.TOS)
	}
	if p.Fragment.DontFragment {
		add("don't fragment")
	}
	if p.Fragment.Is() {
		add("fragment at %d", p.Fragment.Offset)
	}
	if (p.Kind == capture.EchoRequest || p.Kind == capture.EchoReply) && p.ICMPID != first.ICMPID {
		add("id translated")
	}
	// How much of a stream a segment carries depends on who is faster.
	if p.Kind != capture.TCP && p.ARP == nil {
		add("%d bytes", p.Length)
	}
	if quoted, ok := p.Quoted(); ok {
		src, dst := w.ends(quoted, quoted)
		add("about (%s %s > %s ttl %d)", kind(quoted), src, dst, quoted.TTL)
	}
	return strings.Join(parts, ", ")
}

// redirectGateway is the better gateway that an ICMP redirect of IPv4 names (RFC
// 792): the four bytes behind the checksum.
func redirectGateway(p *capture.Packet) (netip.Addr, bool) {
	if !p.Src.Is4() || p.SrcMAC == nil {
		return netip.Addr{}, false
	}
	ip := 14
	if p.VLAN != 0 {
		ip += 4
	}
	if len(p.Data) <= ip {
		return netip.Addr{}, false
	}
	at := ip + int(p.Data[ip]&15)*4 + 4
	if len(p.Data) < at+4 {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(p.Data[at : at+4])
}
