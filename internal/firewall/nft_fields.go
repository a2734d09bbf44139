package firewall

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// field is what a register of a rule holds: a selector in the words of nft, and
// how its values are written.
type field struct {
	name string
	// form writes a value, whose first byte is the highest; nil is as a number.
	form func(value []byte, mask []byte) string
	size uint32 // bytes, of a field that is always as long
	// native fields are numbers in the order of the machine.
	native  bool
	set     bool // its values are sets of bits with names
	address bool // a mask of leading bits makes a prefix
}

func (f field) write(value, mask []byte) string {
	if f.native {
		value = swapped(value)
	}
	if f.form == nil {
		return hexadecimal(value, nil)
	}
	return f.form(value, mask)
}

// bits writes a mask, or bits that are set.
func (f field) bits(mask []byte) string {
	if f.native {
		mask = swapped(mask)
	}
	if f.set {
		return "(" + strings.ReplaceAll(f.form(mask, nil), ",", " | ") + ")"
	}
	return hexadecimal(mask, nil)
}

// prefix tells whether a mask is that of a prefix of addresses.
func (f field) prefix(mask []byte) bool {
	if !f.address {
		return false
	}
	ones, size := net.IPMask(mask).Size()
	return size != 0 && ones > 0
}

// swapped turns a number from the order of the machine to that of the network, or
// back.
func swapped(value []byte) []byte {
	if binaryutil.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return value
	}
	value = slices.Clone(value)
	slices.Reverse(value)
	return value
}

// metaField is what a packet has with it.
func (w *writer) metaField(key expr.MetaKey) field {
	number := func(name string) field { return field{name: name, form: decimal, native: true, size: 4} }
	name := func(name string) field { return field{name: name, form: quoted, size: unix.IFNAMSIZ} }
	switch key {
	case expr.MetaKeyIIFNAME:
		return name("iifname")
	case expr.MetaKeyOIFNAME:
		return name("oifname")
	case expr.MetaKeyBRIIIFNAME:
		return name("meta ibrname")
	case expr.MetaKeyBRIOIFNAME:
		return name("meta obrname")
	case expr.MetaKeyL4PROTO:
		return field{name: "meta l4proto", form: protocolName, size: 1}
	case expr.MetaKeyNFPROTO:
		return field{name: "meta nfproto", form: nfprotoName, size: 1}
	case expr.MetaKeyPROTOCOL:
		return field{name: "meta protocol", form: etherType, size: 2}
	case expr.MetaKeyMARK:
		return field{name: "meta mark", form: hexadecimal, native: true, size: 4}
	case expr.MetaKeyPRIORITY:
		return field{name: "meta priority", form: hexadecimal, native: true, size: 4}
	case expr.MetaKeyIIF:
		return w.interfaceField("iif")
	case expr.MetaKeyOIF:
		return w.interfaceField("oif")
	case expr.MetaKeyLEN:
		return number("meta length")
	case expr.MetaKeySKUID:
		return number("meta skuid")
	case expr.MetaKeySKGID:
		return number("meta skgid")
	case expr.MetaKeyCPU:
		return number("meta cpu")
	case expr.MetaKeyIIFGROUP:
		return number("meta iifgroup")
	case expr.MetaKeyOIFGROUP:
		return number("meta oifgroup")
	case expr.MetaKeyCGROUP:
		return number("meta cgroup")
	case expr.MetaKeyRTCLASSID:
		return number("meta rtclassid")
	case expr.MetaKeyPRANDOM:
		return number("meta random")
	case expr.MetaKeyNFTRACE:
		return field{name: "meta nftrace", form: decimal, size: 1}
	case expr.MetaKeyIIFTYPE:
		return field{name: "meta iiftype", form: decimal, native: true, size: 2}
	case expr.MetaKeyOIFTYPE:
		return field{name: "meta oiftype", form: decimal, native: true, size: 2}
	case expr.MetaKeyPKTTYPE:
		return field{name: "meta pkttype", form: packetType, size: 1}
	}
	return field{name: fmt.Sprintf("meta [key %d]", key), size: 4}
}

// interfaceField holds the index of an interface.
func (w *writer) interfaceField(name string) field {
	return field{name: name, native: true, size: 4, form: func(value, _ []byte) string {
		index := decimal(value, nil)
		if n, err := strconv.ParseUint(index, 10, 32); err == nil && w.ask.link != nil {
			if known := w.ask.link(uint32(n)); known != "" {
				return strconv.Quote(known)
			}
		}
		return index
	}}
}

// ctField is what connection tracking knows.
func (w *writer) ctField(key expr.CtKey) field {
	switch key {
	case expr.CtKeySTATE:
		return field{name: "ct state", form: stateNames, native: true, set: true, size: 4}
	case expr.CtKeySTATUS:
		return field{name: "ct status", form: statusNames, native: true, set: true, size: 4}
	case expr.CtKeyMARK:
		return field{name: "ct mark", form: hexadecimal, native: true, size: 4}
	case expr.CtKeyZONE:
		return field{name: "ct zone", form: decimal, native: true, size: 2}
	case expr.CtKeyEXPIRATION:
		return field{name: "ct expiration", form: decimal, native: true, size: 4}
	case expr.CtKeyDIRECTION:
		return field{name: "ct direction", size: 1, form: func(v, _ []byte) string {
			if decimal(v, nil) == "1" {
				return "reply"
			}
			return "original"
		}}
	case expr.CtKeyHELPER:
		return field{name: "ct helper", form: quoted, size: 16}
	case expr.CtKeyPROTOCOL:
		return field{name: "ct protocol", form: protocolName, size: 1}
	case expr.CtKeyPROTOSRC:
		return field{name: "ct proto-src", form: decimal, size: 2}
	case expr.CtKeyPROTODST:
		return field{name: "ct proto-dst", form: decimal, size: 2}
	case expr.CtKeySRC, expr.CtKeyDST, 19, 20, 21, 22: // NFT_CT_SRC_IP, _DST_IP, _SRC_IP6, _DST_IP6
		f := w.addressField()
		f.name = map[expr.CtKey]string{expr.CtKeySRC: "ct saddr", expr.CtKeyDST: "ct daddr", 19: "ct ip saddr", 20: "ct ip daddr", 21: "ct ip6 saddr", 22: "ct ip6 daddr"}[key]
		return f
	}
	return field{name: fmt.Sprintf("ct [key %d]", key), size: 4}
}

// addressField is an address of the family that the rule is about.
func (w *writer) addressField() field {
	if w.family == unix.NFPROTO_IPV6 {
		return field{form: address(16), size: 16, address: true}
	}
	return field{form: address(4), size: 4, address: true}
}

// numgenField is a number that is made for each packet.
func numgenField(e *expr.Numgen) field {
	kind := "inc"
	if e.Type == unix.NFT_NG_RANDOM {
		kind = "random"
	}
	return field{name: fmt.Sprintf("numgen %s mod %d%s", kind, e.Modulus, offset(e.Offset)), form: decimal, native: true, size: 4}
}

func offset(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" offset %d", n)
}

func (w *writer) hashField(e *expr.Hash) field {
	name := "symhash"
	if e.Type == expr.HashTypeJenkins {
		name = "jhash " + w.at(e.SourceRegister).text()
	}
	return field{name: fmt.Sprintf("%s mod %d%s", name, e.Modulus, offset(e.Offset)), form: decimal, native: true, size: 4}
}

// fibField is what the routing tables say.
func (w *writer) fibField(e *expr.Fib) field {
	var key []string
	for _, flag := range []struct {
		set  bool
		word string
	}{{e.FlagSADDR, "saddr"}, {e.FlagDADDR, "daddr"}, {e.FlagMARK, "mark"}, {e.FlagIIF, "iif"}, {e.FlagOIF, "oif"}} {
		if flag.set {
			key = append(key, flag.word)
		}
	}
	name := "fib " + strings.Join(key, " . ")
	switch {
	case e.FlagPRESENT:
		return field{name: name + " oif", form: exists}
	case e.ResultADDRTYPE:
		// RTN_* of include/uapi/linux/rtnetlink.h.
		types := []string{"unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit"}
		return field{name: name + " type", native: true, form: func(value, _ []byte) string {
			if n, err := strconv.Atoi(decimal(value, nil)); err == nil && n < len(types) {
				return types[n]
			}
			return decimal(value, nil)
		}}
	case e.ResultOIFNAME:
		return field{name: name + " oifname", form: quoted}
	}
	return w.interfaceField(name + " oif")
}

func rtField(key expr.RtKey) field {
	switch key {
	case expr.RtClassid:
		return field{name: "rt classid", form: decimal, native: true}
	case expr.RtNexthop4:
		return field{name: "rt ip nexthop", form: address(4), address: true}
	case expr.RtNexthop6:
		return field{name: "rt ip6 nexthop", form: address(16), address: true}
	case expr.RtTCPMSS:
		return field{name: "rt mtu", form: decimal, native: true}
	}
	return field{name: fmt.Sprintf("rt [key %d]", key)}
}

// extensionField is a part of an extension header of IPv6, or of an option of
// TCP.
func extensionField(e *expr.Exthdr) field {
	if e.Op == expr.ExthdrOpTcpopt {
		name := fmt.Sprintf("tcp option @%d,%d,%d", e.Type, e.Offset*8, e.Len*8)
		switch {
		case e.Flags&unix.NFT_EXTHDR_F_PRESENT != 0:
			return field{name: fmt.Sprintf("tcp option %d", e.Type), form: exists}
		case e.Type == 2 && e.Offset == 2 && e.Len == 2: // RFC 9293, section 3.2
			name = "tcp option maxseg size"
		}
		return field{name: name, form: decimal}
	}
	name := map[uint8]string{unix.IPPROTO_HOPOPTS: "hbh", unix.IPPROTO_ROUTING: "rt", unix.IPPROTO_FRAGMENT: "frag", unix.IPPROTO_DSTOPTS: "dst", unix.IPPROTO_MH: "mh"}[e.Type]
	switch {
	case e.Op != expr.ExthdrOpIpv6 || name == "":
		return field{name: fmt.Sprintf("[exthdr %d of kind %d,%d,%d]", e.Type, e.Op, e.Offset*8, e.Len*8)}
	case e.Flags&unix.NFT_EXTHDR_F_PRESENT != 0:
		return field{name: "exthdr " + name, form: exists}
	case name == "frag" && e.Offset == 4 && e.Len == 4: // RFC 8200, section 4.5
		return field{name: "frag id", form: decimal}
	}
	// nft has names for its fields only, which are parts of these bytes.
	return field{name: fmt.Sprintf("%s @%d,%d", name, e.Offset*8, e.Len*8)}
}

func exists(value, _ []byte) string {
	if len(bytes.Trim(value, "\x00")) > 0 {
		return "exists"
	}
	return "missing"
}

type part struct{ offset, size uint32 }

// payloadField names the fields of headers that rules are mostly about; others are
// told by their place, in bits.
func (w *writer) payloadField(base expr.PayloadBase, offset, size uint32) field {
	known, prefix := map[part]field(nil), "ih" // NFT_PAYLOAD_INNER_HEADER
	switch base {
	case expr.PayloadBaseLLHeader:
		known, prefix = linkFields, "ll"
	case expr.PayloadBaseNetworkHeader:
		known, prefix = networkFields[w.family], "nh"
		if f, ok := shortAddress(w.family, offset, size); ok {
			return f
		}
	case expr.PayloadBaseTransportHeader:
		known, prefix = transportFields[w.transport], "th"
		if name := [...]string{"th sport", "th dport"}; known == nil && size == 2 && offset <= 2 && offset%2 == 0 {
			return field{name: name[offset/2], form: decimal}
		}
	}
	if f, ok := known[part{offset, size}]; ok {
		return f
	}
	return field{name: fmt.Sprintf("@%s,%d,%d", prefix, offset*8, size*8)}
}

// shortAddress is an address, or the leading bytes of one: nft compares no more
// than a prefix of whole bytes has.
func shortAddress(family byte, offset, size uint32) (field, bool) {
	switch {
	case family == unix.NFPROTO_IPV6 && offset == 8 && size <= 16:
		return field{name: "ip6 saddr", form: address(16), address: true}, true
	case family == unix.NFPROTO_IPV6 && offset == 24 && size <= 16:
		return field{name: "ip6 daddr", form: address(16), address: true}, true
	case family == unix.NFPROTO_IPV4 && offset == 12 && size <= 4:
		return field{name: "ip saddr", form: address(4), address: true}, true
	case family == unix.NFPROTO_IPV4 && offset == 16 && size <= 4:
		return field{name: "ip daddr", form: address(4), address: true}, true
	}
	return field{}, false
}

var (
	linkFields = map[part]field{
		{0, 6}:  {name: "ether daddr", form: hardware},
		{6, 6}:  {name: "ether saddr", form: hardware},
		{12, 2}: {name: "ether type", form: etherType},
	}
	// networkFields are those of RFC 791, RFC 8200 and RFC 826.
	networkFields = map[byte]map[part]field{
		unix.NFPROTO_IPV4: {
			{2, 2}: {name: "ip length", form: decimal}, {4, 2}: {name: "ip id", form: decimal}, {6, 2}: {name: "ip frag-off", form: hexadecimal},
			{8, 1}: {name: "ip ttl", form: decimal}, {9, 1}: {name: "ip protocol", form: protocolName}, {10, 2}: {name: "ip checksum", form: decimal},
		},
		unix.NFPROTO_IPV6: {
			{4, 2}: {name: "ip6 length", form: decimal}, {6, 1}: {name: "ip6 nexthdr", form: protocolName}, {7, 1}: {name: "ip6 hoplimit", form: decimal},
		},
		unix.NFPROTO_ARP: {
			{0, 2}: {name: "arp htype", form: decimal}, {2, 2}: {name: "arp ptype", form: etherType}, {4, 1}: {name: "arp hlen", form: decimal}, {5, 1}: {name: "arp plen", form: decimal},
			{6, 2}: {name: "arp operation", form: arpOperation}, {8, 6}: {name: "arp saddr ether", form: hardware},
			{14, 4}: {name: "arp saddr ip", form: address(4), address: true}, {18, 6}: {name: "arp daddr ether", form: hardware}, {24, 4}: {name: "arp daddr ip", form: address(4), address: true},
		},
	}
	// transportFields are those of RFC 9293, RFC 768, RFC 9260, RFC 792 and RFC 4443.
	transportFields = map[byte]map[part]field{
		unix.IPPROTO_TCP: {
			{0, 2}: {name: "tcp sport", form: decimal}, {2, 2}: {name: "tcp dport", form: decimal}, {4, 4}: {name: "tcp sequence", form: decimal},
			{8, 4}: {name: "tcp ackseq", form: decimal}, {13, 1}: {name: "tcp flags", form: tcpFlags, set: true}, {14, 2}: {name: "tcp window", form: decimal},
			{16, 2}: {name: "tcp checksum", form: decimal}, {18, 2}: {name: "tcp urgptr", form: decimal},
		},
		unix.IPPROTO_UDP: {
			{0, 2}: {name: "udp sport", form: decimal}, {2, 2}: {name: "udp dport", form: decimal}, {4, 2}: {name: "udp length", form: decimal}, {6, 2}: {name: "udp checksum", form: decimal},
		},
		unix.IPPROTO_SCTP: {{0, 2}: {name: "sctp sport", form: decimal}, {2, 2}: {name: "sctp dport", form: decimal}, {4, 4}: {name: "sctp vtag", form: decimal}},
		unix.IPPROTO_ICMP: {
			{0, 1}: {name: "icmp type", form: decimal}, {1, 1}: {name: "icmp code", form: decimal}, {2, 2}: {name: "icmp checksum", form: decimal},
			{4, 2}: {name: "icmp id", form: decimal}, {6, 2}: {name: "icmp sequence", form: decimal},
		},
		unix.IPPROTO_ICMPV6: {
			{0, 1}: {name: "icmpv6 type", form: decimal}, {1, 1}: {name: "icmpv6 code", form: decimal}, {2, 2}: {name: "icmpv6 checksum", form: decimal},
			{4, 2}: {name: "icmpv6 id", form: decimal}, {6, 2}: {name: "icmpv6 sequence", form: decimal}, {8, 16}: {name: "icmpv6 taddr", form: address(16), address: true},
		},
	}
)

func quoted(value, _ []byte) string {
	name, _, terminated := bytes.Cut(value, []byte{0})
	if !terminated {
		return strconv.Quote(string(name) + "*")
	}
	return strconv.Quote(string(name))
}

func decimal(value, _ []byte) string {
	if len(value) > 8 {
		return hexadecimal(value, nil)
	}
	var n uint64
	for _, b := range value {
		n = n<<8 | uint64(b)
	}
	return strconv.FormatUint(n, 10)
}

// hexadecimal is a number without leading zeros.
func hexadecimal(value, _ []byte) string {
	digits := strings.TrimLeft(hex.EncodeToString(value), "0")
	if digits == "" {
		digits = "0"
	}
	return "0x" + digits
}

func hardware(value, _ []byte) string { return net.HardwareAddr(value).String() }

func nfprotoName(value, _ []byte) string {
	return nameOf(decimal(value, nil), map[string]string{"2": "ipv4", "10": "ipv6"})
}

// nameOf is the name of a number, and the number where it has none.
func nameOf(number string, names map[string]string) string {
	if name := names[number]; name != "" {
		return name
	}
	return number
}

// etherType is by IEEE 802's numbers.
func etherType(value, _ []byte) string {
	return nameOf(hexadecimal(value, nil), map[string]string{"0x800": "ip", "0x86dd": "ip6", "0x806": "arp", "0x8100": "vlan"})
}

func arpOperation(value, _ []byte) string {
	return nameOf(decimal(value, nil), map[string]string{"1": "request", "2": "reply"})
}

// packetType is by PACKET_* of include/uapi/linux/if_packet.h.
func packetType(value, _ []byte) string {
	names := []string{"host", "broadcast", "multicast", "other"}
	if n, err := strconv.Atoi(decimal(value, nil)); err == nil && n < len(names) {
		return names[n]
	}
	return decimal(value, nil)
}

func protocolName(value, _ []byte) string {
	for name, n := range protocols {
		if len(value) == 1 && value[0] == n {
			return strings.Replace(name, "icmpv6", "ipv6-icmp", 1)
		}
	}
	return decimal(value, nil)
}

// bitNames are the names of the bits that are set, or the number where one has no
// name.
func bitNames(value []byte, names map[uint64]string) string {
	n, err := strconv.ParseUint(decimal(value, nil), 10, 64)
	if err != nil || n == 0 {
		return hexadecimal(value, nil)
	}
	var all []string
	for rest := n; rest != 0; rest &= rest - 1 {
		name := names[rest&-rest]
		if name == "" {
			return hexadecimal(value, nil)
		}
		all = append(all, name)
	}
	return strings.Join(all, ",")
}

func tcpFlags(value, _ []byte) string {
	return bitNames(value, map[uint64]string{1: "fin", 2: "syn", 4: "rst", 8: "psh", 16: "ack", 32: "urg", 64: "ecn", 128: "cwr"})
}

// statusNames are by enum ip_conntrack_status of
// linux/netfilter/nf_conntrack_common.h.
func statusNames(value, _ []byte) string {
	return bitNames(value, map[uint64]string{1: "expected", 2: "seen-reply", 4: "assured", 8: "confirmed", 16: "snat", 32: "dnat", 512: "dying"})
}

func stateNames(value, _ []byte) string {
	n, err := strconv.ParseUint(decimal(value, nil), 10, 32)
	if err != nil {
		return hexadecimal(value, nil)
	}
	var names []string
	for _, s := range states {
		if uint32(n)&s.bit != 0 {
			names = append(names, s.name)
		}
	}
	if names == nil {
		return hexadecimal(value, nil)
	}
	return strings.Join(names, ",")
}

// address writes an address of that many bytes, or the prefix that a mask or
// the leading bytes alone make of it.
func address(size int) func(value, mask []byte) string {
	return func(value, mask []byte) string {
		a, ok := netip.AddrFromSlice(slices.Concat(value, make([]byte, max(0, size-len(value)))))
		if !ok {
			return hexadecimal(value, nil)
		}
		length := len(value) * 8
		if mask != nil {
			length = 0
			for _, b := range mask {
				length += bits.OnesCount8(b)
			}
		}
		if length == size*8 {
			return a.String()
		}
		return netip.PrefixFrom(a, length).String()
	}
}
