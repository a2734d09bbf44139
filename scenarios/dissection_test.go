package scenarios

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/netrig/netrig/capture"
)

// dissection is what somebody says of a frame, by the names of dissected. An
// ICMP error has two values of most, the second of the packet that it quotes:
// "64,1".
type dissection map[string]string

// dissected is all that is compared, and the fields that tshark has for it,
// of which a frame has one or the other.
var dissected = []struct{ name, fields string }{
	{"interface", "frame.interface_name"},
	{"direction", "frame.packet_flags_direction"},
	{"time", "frame.time_epoch"},
	{"length", "frame.len"},
	{"recorded", "frame.cap_len"},
	{"source MAC", "eth.src"},
	{"destination MAC", "eth.dst"},
	{"ethertype", "eth.type vlan.etype"},
	{"vlan", "vlan.id"},
	{"arp operation", "arp.opcode"},
	{"arp sender", "arp.src.hw_mac"},
	{"arp target", "arp.dst.hw_mac"},
	{"source", "ip.src ipv6.src arp.src.proto_ipv4"},
	{"destination", "ip.dst ipv6.dst arp.dst.proto_ipv4"},
	{"ttl", "ip.ttl ipv6.hlim"},
	{"tos", "ip.dsfield ipv6.tclass"},
	{"protocol", "ip.proto ipv6.nxt ipv6.hopopts.nxt ipv6.fraghdr.nxt"},
	{"identification", "ip.id ipv6.fraghdr.ident"},
	{"offset", "ip.frag_offset ipv6.fraghdr.offset"},
	{"more fragments", "ip.flags.mf ipv6.fraghdr.more"},
	{"don't fragment", "ip.flags.df"},
	{"source port", "tcp.srcport udp.srcport"},
	{"destination port", "tcp.dstport udp.dstport"},
	{"flags", "tcp.flags"},
	{"sequence", "tcp.seq"},
	{"acknowledged", "tcp.ack_raw"},
	{"type", "icmp.type icmpv6.type"},
	{"code", "icmp.code icmpv6.code"},
	{"echo id", "icmp.ident icmpv6.echo.identifier"},
	{"echo sequence", "icmp.seq icmpv6.echo.sequence_number"},
	{"mtu", "icmp.mtu icmpv6.mtu"},
	{"nd target", "icmpv6.nd.ns.target_address icmpv6.nd.na.target_address icmpv6.nd.rd.target_address"},
	{"nd link layer", "icmpv6.opt.linkaddr"},
	{"nd router", "icmpv6.nd.na.flag.r"},
	{"nd solicited", "icmpv6.nd.na.flag.s"},
	{"nd override", "icmpv6.nd.na.flag.o"},
	{"vni", "vxlan.vni"},
	{"payload", "tcp.payload udp.payload icmp.data_time data.data"},
	{"kind", "frame.protocols"}, // and the Info column, see tsharkKind
}

// add adds a value, of the packet or of the one that it quotes.
func (d dissection) add(name string, value any) {
	text := fmt.Sprint(value)
	if set, ok := value.(bool); ok {
		text = map[bool]string{true: "1", false: "0"}[set]
	}
	if before, ok := d[name]; ok {
		text = before + "," + text
	}
	d[name] = text
}

// ourDissection is what we say of a packet.
func ourDissection(p *capture.Packet) dissection {
	d := dissection{}
	d.add("interface", p.Where())
	d.add("direction", map[capture.Direction]int{capture.In: 1, capture.Out: 2}[p.Direction])
	d.add("time", fmt.Sprintf("%d.%09d", p.Time.Unix(), p.Time.Nanosecond()))
	d.add("length", p.Length)
	d.add("recorded", len(p.Data))
	d.addFrame(p)
	return d
}

// addFrame adds what is inside a frame; of VXLAN what that carries comes second, and
// says what kind of packet it is.
func (d dissection) addFrame(p *capture.Packet) {
	inner, carried := p.Inner()
	if p.SrcMAC != nil { // a tunnel has none
		d.add("source MAC", p.SrcMAC)
		d.add("destination MAC", p.DstMAC)
		if p.EtherType >= 0x600 { // else it is a length (IEEE 802.3)
			d.add("ethertype", p.EtherType)
		}
	}
	if p.VLAN > 0 {
		d.add("vlan", p.VLAN)
	}
	if p.ARP != nil {
		d.add("arp operation", p.ARP.Op)
		d.add("arp sender", p.ARP.SenderMAC)
		d.add("arp target", p.ARP.TargetMAC)
	}
	if carried {
		d.addIP(p)
		d.add("vni", p.VNI)
		d.addFrame(inner)
		return
	}
	if p.Kind != capture.Other {
		d.add("kind", p.Kind)
	}
	d.addIP(p)
	if payload := hex.EncodeToString(p.Payload); payload != "" && carries(p.Kind) {
		d.add("payload", payload)
	}
	if quoted, ok := p.Quoted(); ok {
		d.addIP(quoted)
	}
}

func (d dissection) addIP(p *capture.Packet) {
	if !p.Src.IsValid() {
		return
	}
	d.add("source", p.Src)
	d.add("destination", p.Dst)
	if p.ARP != nil {
		return
	}
	d.add("ttl", p.TTL)
	d.add("tos", p.TOS)
	d.add("protocol", p.Protocol)
	if p.Src.Is4() || p.Fragment.Is() { // IPv6 has a header of its own for fragments
		d.add("identification", p.IPID)
		d.add("offset", p.Fragment.Offset/8) // as it stands in the header
		d.add("more fragments", p.Fragment.More)
	}
	if p.Src.Is4() {
		d.add("don't fragment", p.Fragment.DontFragment)
	}
	d.addTransport(p)
}

func (d dissection) addTransport(p *capture.Packet) {
	switch p.Kind {
	case capture.TCP, capture.UDP:
		d.add("source port", p.SrcPort)
		d.add("destination port", p.DstPort)
	case capture.EchoRequest, capture.EchoReply:
		d.add("echo id", p.ICMPID)
		d.add("echo sequence", p.ICMPSeq)
	}
	if p.Kind == capture.TCP {
		d.add("flags", uint8(p.TCPFlags))
		d.add("sequence", p.Seq)
		d.add("acknowledged", p.Ack)
	}
	if isICMP := p.Protocol == 1 || p.Protocol == 58; isICMP && p.Kind != capture.IPFragment {
		d.add("type", p.ICMPType)
		d.add("code", p.ICMPCode)
	}
	if p.Kind == capture.PacketTooBig {
		d.add("mtu", p.MTU)
	}
	if p.ND == nil {
		return
	}
	if p.ND.Target.IsValid() {
		d.add("nd target", p.ND.Target)
	}
	if p.ND.LinkLayer != nil {
		d.add("nd link layer", p.ND.LinkLayer)
	}
	if p.Kind == capture.NeighborAdvertisement {
		d.add("nd router", p.ND.Router)
		d.add("nd solicited", p.ND.Solicited)
		d.add("nd override", p.ND.Override)
	}
}

// tsharkDissection is what tshark says of a frame: the values of its fields, in
// the order in which dissected names them, and the Info column.
func tsharkDissection(values []string, info string) dissection {
	d := dissection{}
	for _, row := range dissected {
		for _, field := range strings.Fields(row.fields) {
			switch {
			case field == "udp.payload" && d["vni"] != "":
				_, values[0], _ = strings.Cut(values[0], ",") // the first is the frame that VXLAN carries
			case field == "icmp.data_time" && values[0] != "":
				values[0] = timeStamp
			case field == "data.data" && d["payload"] == timeStamp:
				values[0] = timeStamp + values[0]
				delete(d, "payload")
			case field == "data.data" && d["payload"] != "":
				values[0] = "" // it is there once more, as what UDP carries
			}
			for _, value := range strings.Split(values[0], ",") {
				if value != "" && !slices.Contains(passedOver[row.name], value) {
					d.add(row.name, plainNumber(row.name, value))
				}
			}
			values = values[1:]
		}
	}
	kind := tsharkKind(d["kind"], info)
	d["kind"] = string(kind)
	if !carries(kind) {
		delete(d, "payload")
	}
	return d
}

// carries tells of which packets the payload is compared: not of ICMP errors,
// since in a redirect tshark does not look at what the quoted packet carries, and
// not of what we don't know.
func carries(kind capture.Kind) bool {
	switch kind {
	case capture.TCP, capture.UDP, capture.EchoRequest, capture.EchoReply, capture.IPFragment:
		return true
	}
	return false
}

// passedOver are values that only say what kind of header comes next, where we
// keep the last one: VLAN tags, and IPv6's extension headers.
var passedOver = map[string][]string{
	"ethertype": {"0x8100", "0x88a8"},
	"protocol":  {"0", "43", "44", "60"},
}

// timeStamp stands for the 8 or 16 bytes, by its version, at the beginning of an
// echo's payload that tshark takes for the time stamp of ping(8).
const timeStamp = "timestamp "

// plainNumber writes decimally what tshark, by its version, writes as 0x0040 or
// True.
func plainNumber(name, value string) string {
	if name == "payload" {
		return value
	}
	switch value {
	case "True":
		return "1"
	case "False":
		return "0"
	}
	if n, err := strconv.ParseUint(value, 0, 64); err == nil {
		return strconv.FormatUint(n, 10)
	}
	if a, err := netip.ParseAddr(value); err == nil {
		return a.String()
	}
	return value
}

// tsharkWords are how tshark's Info column begins for a kind of packet.
var tsharkWords = []struct {
	kind  capture.Kind
	words *regexp.Regexp
}{
	{capture.ARPRequest, regexp.MustCompile(`^(Who has|ARP Probe|ARP Announcement|Gratuitous ARP .*\(Request\))`)},
	{capture.ARPReply, regexp.MustCompile(`^([0-9.]+ is at|Gratuitous ARP .*\(Reply\))`)},
	{capture.EchoRequest, regexp.MustCompile(`^Echo \(ping\) request`)},
	{capture.EchoReply, regexp.MustCompile(`^Echo \(ping\) reply`)},
	{capture.PacketTooBig, regexp.MustCompile(`^(Destination unreachable \(Fragmentation needed\)|Packet Too Big)`)},
	{capture.DestinationUnreachable, regexp.MustCompile(`^Destination [uU]nreachable`)},
	{capture.TimeExceeded, regexp.MustCompile(`^Time-to-live exceeded|^Time Exceeded`)},
	{capture.ParameterProblem, regexp.MustCompile(`^Parameter [pP]roblem`)},
	{capture.Redirect, regexp.MustCompile(`^Redirect`)},
	{capture.NeighborSolicitation, regexp.MustCompile(`^Neighbor Solicitation`)},
	{capture.NeighborAdvertisement, regexp.MustCompile(`^Neighbor Advertisement`)},
	{capture.RouterSolicitation, regexp.MustCompile(`^Router Solicitation`)},
	{capture.RouterAdvertisement, regexp.MustCompile(`^Router Advertisement`)},
	{capture.MLDQuery, regexp.MustCompile(`^Multicast Listener Query`)},
	{capture.MLDReport, regexp.MustCompile(`^Multicast Listener (Report|Done)`)},
	{capture.IGMP, regexp.MustCompile(`^Membership (Report|Query)|^Leave Group`)},
	{capture.IPFragment, regexp.MustCompile(`^Fragmented IP protocol .*off=[1-9]|^IPv6 fragment .*off=[1-9]`)},
}

// malformed is of no kind of ours: tshark could not make sense of a header that
// we decode too. What TCP and UDP carry may be anything.
const malformed capture.Kind = "malformed"

var isMalformed = regexp.MustCompile(`:(arp|ip|ipv6|icmp|icmpv6|tcp|udp):_ws\.malformed`)

// tsharkKind is the kind of packet that tshark takes a frame for, by the words
// of its Info column; for TCP and UDP, which carry something else that has the
// column, by the protocols that it found.
func tsharkKind(protocols, info string) capture.Kind {
	if isMalformed.MatchString(protocols) {
		return malformed
	}
	for _, w := range tsharkWords {
		if w.words.MatchString(info) {
			return w.kind
		}
	}
	for _, layer := range strings.Split(protocols, ":") {
		switch layer {
		case "tcp":
			return capture.TCP
		case "udp":
			return capture.UDP
		}
	}
	return ""
}

// disagreements tells where two say something different of a frame.
func disagreements(tshark, ours dissection) (names []string) {
	for _, row := range dissected {
		rest, stamped := strings.CutPrefix(tshark[row.name], timeStamp)
		if stamped && strings.HasSuffix(ours[row.name], rest) && len(ours[row.name])-len(rest) <= hex.EncodedLen(16) {
			continue
		}
		if tshark[row.name] != ours[row.name] {
			names = append(names, row.name)
		}
	}
	return names
}

// pathLine writes what tshark says of a frame as a line of assert.Path.
func (d dissection) pathLine() string {
	first := func(name string) string {
		value, _, _ := strings.Cut(d[name], ",")
		return value
	}
	_, where, _ := strings.Cut(d["interface"], "//") // behind the name of the lab
	line := where + " " + map[string]string{"1": "in", "2": "out"}[d["direction"]]
	if first("source") != "" {
		line += fmt.Sprintf(" %s > %s", d.endpoint(first("source"), d["source port"]), d.endpoint(first("destination"), d["destination port"]))
	}
	if first("ttl") != "" {
		line += " ttl " + first("ttl")
	}
	if d["source MAC"] != "" {
		line += fmt.Sprintf(" mac %s > %s", first("source MAC"), first("destination MAC"))
	}
	return line
}

func (d dissection) endpoint(addr, port string) string {
	protocol, _, _ := strings.Cut(d["protocol"], ",")
	if port == "" || protocol != "6" && protocol != "17" { // then the port is of what an ICMP error quotes
		return addr
	}
	if strings.Contains(addr, ":") {
		addr = "[" + addr + "]"
	}
	return addr + ":" + port
}
