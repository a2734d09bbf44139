package firewall

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// writer turns the expressions of a rule into text that means to nft what the
// rule means to the kernel, as far as it understands them. What it doesn't, it
// shows as [name].
type writer struct {
	table     byte // NFPROTO_…, of the table
	family    byte // NFPROTO_…, where the rule has decided on one
	transport byte // IPPROTO_…, likewise
	registers map[uint32]held
	words     []string
	ask       asker
}

// asker is what text needs from outside of a rule; each may be nil.
type asker struct {
	link     func(index uint32) string                          // an interface's name
	elements func(set string, key []field, data field) []string // of a set without a name of its own
}

// held is what a register holds: a field of the packet, or a value.
type held struct {
	field
	value []byte // of an immediate expression
	mask  []byte // the bits of the field that are left; nil for all
	size  uint32 // bytes
	fresh bool   // loaded since the last match, so that it may be a part of a key
	// kept and flipped are the bits of the field that the rule has changed, and how;
	// nil for none.
	kept, flipped []byte
}

// nftText is the rule as nft would take it. Counters are left out.
func nftText(line nftLine, ask asker) string {
	w := &writer{table: line.family, family: line.family, registers: make(map[uint32]held), ask: ask}
	for _, e := range line.exprs {
		w.expression(e)
	}
	return strings.Join(w.words, " ")
}

func (w *writer) say(format string, a ...any) { w.words = append(w.words, fmt.Sprintf(format, a...)) }

func (w *writer) expression(e expr.Any) {
	switch e := e.(type) {
	case *expr.Counter:
	case *expr.Meta:
		f := w.metaField(e.Key)
		if e.SourceRegister {
			w.say("%s set %s", f.name, w.operand(e.Register, f))
		} else {
			w.load(e.Register, f, f.size)
		}
	case *expr.Payload:
		f := w.payloadField(e.Base, e.Offset, e.Len)
		if e.OperationType == expr.PayloadWrite {
			w.write(e, f)
		} else {
			w.load(e.DestRegister, f, e.Len)
		}
	case *expr.Exthdr:
		f := extensionField(e)
		if e.SourceRegister != 0 {
			w.say("%s set %s", f.name, w.operand(e.SourceRegister, f))
		} else {
			w.load(e.DestRegister, f, e.Len)
		}
	case *expr.Numgen:
		w.load(e.Register, numgenField(e), 4)
	case *expr.Hash:
		w.load(e.DestRegister, w.hashField(e), 4)
	case *expr.Fib:
		w.load(e.Register, w.fibField(e), 4)
	case *expr.Rt:
		w.load(e.Register, rtField(e.Key), 4)
	case *expr.Cmp:
		w.compare(e)
	case *expr.Range:
		h := w.at(e.Register)
		w.used()
		w.say("%s %s%s-%s", h.text(), not(e.Op), h.write(e.FromData, nil), h.write(e.ToData, nil))
	case *expr.Lookup:
		w.lookup(e)
	case *expr.Dynset:
		h := w.at(e.SrcRegKey)
		w.used()
		// NFT_DYNSET_OP_ADD, _UPDATE and _DELETE.
		w.say("%s @%s { %s }", [...]string{"add", "update", "delete"}[e.Operation%3], e.SetName, h.text())
	case *expr.Immediate:
		w.put(e.Register, held{value: e.Data, size: uint32(len(e.Data))})
	case *expr.Verdict:
		w.say("%s", verdictText(e))
	case *expr.Masq:
		w.say("masquerade%s", flagWords(e.Random, e.FullyRandom, e.Persistent))
	case *expr.Redir:
		w.say("redirect%s", w.newPort(e.RegisterProtoMin))
	case *expr.NAT:
		w.nat(e)
	case *expr.TProxy:
		w.say("tproxy%s", w.newAddress(e.RegAddr, 0, e.RegPort))
	case *expr.Dup:
		w.duplicate(e)
	case *expr.Notrack:
		w.say("notrack")
	case *expr.Reject:
		w.reject(e)
	case *expr.Limit:
		w.limit(e)
	case *expr.Quota:
		w.say("quota %s%d bytes", over(e.Over), e.Bytes)
	case *expr.Connlimit:
		w.say("ct count %s%d", over(e.Flags&expr.NFT_CONNLIMIT_F_INV != 0), e.Count)
	case *expr.Queue:
		w.queue(e)
	case *expr.Log:
		w.log(e)
	case opaque:
		w.opaque(e)
	default:
		w.say("[%T]", e)
	}
}

// opaque is what the library does not read.
func (w *writer) opaque(e opaque) {
	// The attributes of include/uapi/linux/netfilter/nf_tables.h.
	switch e.name {
	case "bitwise":
		w.bitwise(e)
	case "byteorder":
		h := w.at(e.number(unix.NFTA_BYTEORDER_SREG))
		h.native = !h.native
		w.put(e.number(unix.NFTA_BYTEORDER_DREG), h)
	case "ct":
		f := w.ctField(expr.CtKey(e.number(unix.NFTA_CT_KEY)))
		if direction := e.attrs[unix.NFTA_CT_DIRECTION]; len(direction) > 0 {
			f.name = strings.Replace(f.name, "ct ", "ct "+[2]string{"original", "reply"}[direction[0]&1]+" ", 1)
		}
		if r := e.number(unix.NFTA_CT_SREG); r != 0 {
			w.say("%s set %s", f.name, w.operand(r, f))
		} else {
			w.load(e.number(unix.NFTA_CT_DREG), f, f.size)
		}
	case "fwd":
		const device, address = 1, 2 // NFTA_FWD_SREG_DEV, NFTA_FWD_SREG_ADDR
		to := w.operand(e.number(device), w.interfaceField(""))
		if r := e.number(address); r != 0 {
			a, _ := netip.AddrFromSlice(w.at(r).value)
			w.say("fwd ip to %s device %s", a, to)
		} else {
			w.say("fwd to %s", to)
		}
	case "target", "match": // those of iptables, ebtables and arptables
		name, _, _ := bytes.Cut(e.attrs[unix.NFTA_TARGET_NAME], []byte{0})
		text := fmt.Sprintf("xt %s %q", e.name, name)
		// struct ebt_nat_info begins with the new hardware address.
		if info := e.attrs[unix.NFTA_TARGET_INFO]; w.table == unix.NFPROTO_BRIDGE && len(info) >= 6 && (string(name) == "dnat" || string(name) == "snat") {
			text += " to " + net.HardwareAddr(info[:6]).String()
		}
		w.say("%s", text)
	default:
		w.say("[%s]", e.name)
	}
}

// bitwise keeps bits of a field, sets some, or moves them.
func (w *writer) bitwise(e opaque) {
	const op, data, second = 6, 7, 8 // NFTA_BITWISE_OP, _DATA, _SREG2
	from, to := e.number(unix.NFTA_BITWISE_SREG), e.number(unix.NFTA_BITWISE_DREG)
	h := w.at(from)
	switch operation := e.number(op); operation {
	case 0: // NFT_BITWISE_MASK_XOR
		mask, xor := e.value(unix.NFTA_BITWISE_MASK), e.value(unix.NFTA_BITWISE_XOR)
		if len(bytes.Trim(xor, "\x00")) == 0 {
			if h.mask != nil { // once more
				h.name = "(" + h.text() + ")"
			}
			h.mask = mask
			break
		}
		h.kept, h.flipped = mask, xor
		h.name, h.mask = h.changed(mask, xor), nil
	case 1, 2: // NFT_BITWISE_LSHIFT, _RSHIFT
		h.name = fmt.Sprintf("(%s) %s %s", h.text(), [...]string{"", "<<", ">>"}[operation], decimal(swapped(e.value(data)), nil))
		h.mask = nil
	default: // of two registers, since Linux 6.12
		words := map[uint32]string{3: "&", 4: "|", 5: "^"}
		h.name = fmt.Sprintf("(%s) %s (%s)", h.text(), words[operation], w.operand(e.number(second), h.field))
		h.mask = nil
	}
	w.put(to, h)
}

// write puts a value into a header. Checksums are made over two bytes at a time, so
// that nft changes a field of one byte with its neighbour, which it leaves as it is.
func (w *writer) write(e *expr.Payload, f field) {
	h := w.at(e.SourceRegister)
	if n := len(h.kept); n > 0 && n == int(e.Len) && n == len(h.flipped) {
		first, last := 0, n
		for first < last && h.kept[first] == 0xff && h.flipped[first] == 0 {
			first++
		}
		for last > first && h.kept[last-1] == 0xff && h.flipped[last-1] == 0 {
			last--
		}
		part := w.payloadField(e.Base, e.Offset+uint32(first), uint32(last-first))
		if len(bytes.Trim(h.kept[first:last], "\x00")) == 0 && part.form != nil {
			w.say("%s set %s", part.name, part.write(h.flipped[first:last], nil))
			return
		}
	}
	w.say("%s set %s", f.name, w.operand(e.SourceRegister, f))
}

// text is the field, with those of its bits that count.
func (h held) text() string {
	if h.mask == nil {
		return h.name
	}
	return h.name + " & " + h.bits(h.mask)
}

// changed is the field with bits kept and flipped, as nft writes it: those that
// are lost and then flipped are set.
func (h held) changed(mask, xor []byte) string {
	keep, flip, set := make([]byte, len(mask)), make([]byte, len(mask)), make([]byte, len(mask))
	whole := true
	for i := range mask {
		x := byte(0)
		if i < len(xor) {
			x = xor[i]
		}
		set[i], flip[i] = x&^mask[i], x&mask[i]
		keep[i] = mask[i] | set[i]
		whole = whole && keep[i] == 0xff
	}
	text := h.name
	if !whole {
		text += " & " + h.bits(keep)
	}
	if len(bytes.Trim(flip, "\x00")) > 0 {
		text += " ^ " + h.bits(flip)
	}
	if len(bytes.Trim(set, "\x00")) > 0 {
		text += " | " + h.bits(set)
	}
	return text
}

// place is a register among those of 32 bits: the kernel numbers the first of
// four by their old names, 1 to 4.
func place(register uint32) uint32 {
	if register >= unix.NFT_REG_1 && register <= unix.NFT_REG_4 {
		return unix.NFT_REG32_00 + (register-unix.NFT_REG_1)*4
	}
	return register
}

func (w *writer) at(register uint32) held          { return w.registers[place(register)] }
func (w *writer) put(register uint32, h held)      { w.registers[place(register)] = h }
func (w *writer) load(r uint32, f field, n uint32) { w.put(r, held{field: f, size: n, fresh: true}) }

// used says that what is loaded is a part of no key any more.
func (w *writer) used() {
	for r, h := range w.registers {
		h.fresh = false
		w.registers[r] = h
	}
}

// operand is what a register holds, as a value of a field.
func (w *writer) operand(register uint32, like field) string {
	h := w.at(register)
	if h.value != nil {
		return like.write(h.value, nil)
	}
	return h.text()
}

func not(op expr.CmpOp) string {
	if op == expr.CmpOpNeq {
		return "!= "
	}
	return ""
}

func over(is bool) string {
	if is {
		return "over "
	}
	return ""
}

func (w *writer) compare(e *expr.Cmp) {
	h := w.at(e.Register)
	w.used()
	// nft itself matches protocols before the fields of their headers.
	if e.Op == expr.CmpOpEq {
		w.decide(h.name, e.Data)
	}
	// A range of one field is compiled to two comparisons.
	if low, ok := strings.CutPrefix(w.last(), h.text()+" >= "); ok && e.Op == expr.CmpOpLte {
		w.words[len(w.words)-1] = h.text() + " " + low + "-" + h.write(e.Data, nil)
		return
	}
	operators := map[expr.CmpOp]string{expr.CmpOpNeq: "!= ", expr.CmpOpLt: "< ", expr.CmpOpLte: "<= ", expr.CmpOpGt: "> ", expr.CmpOpGte: ">= "}
	switch {
	case h.mask == nil || h.prefix(h.mask):
		w.say("%s %s%s", h.name, operators[e.Op], h.write(e.Data, h.mask))
	case h.set && e.Op == expr.CmpOpNeq && len(bytes.Trim(e.Data, "\x00")) == 0:
		// `ct state new,established` is compiled to state & mask != 0.
		w.say("%s %s", h.name, h.write(h.mask, nil))
	case e.Op == expr.CmpOpEq:
		w.say("%s == %s", h.text(), h.write(e.Data, nil))
	default:
		w.say("%s %s%s", h.text(), operators[e.Op], h.write(e.Data, nil))
	}
}

func (w *writer) last() string {
	if len(w.words) == 0 {
		return ""
	}
	return w.words[len(w.words)-1]
}

// decide remembers which protocols the rest of the rule is about.
func (w *writer) decide(field string, value []byte) {
	switch field {
	case "meta nfproto":
		if len(value) == 1 {
			w.family = value[0]
		}
	case "meta protocol", "ether type", "vlan type":
		if families := map[string]byte{"0800": unix.NFPROTO_IPV4, "86dd": unix.NFPROTO_IPV6, "0806": unix.NFPROTO_ARP}; len(value) == 2 {
			w.family = families[fmt.Sprintf("%x", value)]
		}
	case "meta l4proto", "ip protocol", "ip6 nexthdr":
		if len(value) == 1 {
			w.transport = value[0]
		}
	}
}

// lookup is a match against a set, or what a map has for a key.
func (w *writer) lookup(e *expr.Lookup) {
	key := []held{w.at(e.SourceRegister)}
	for next := place(e.SourceRegister) + (key[0].size+3)/4; ; {
		h, ok := w.registers[next]
		if !ok || !h.fresh || h.value != nil || h.size == 0 {
			break
		}
		key = append(key, h)
		next += (h.size + 3) / 4
	}
	w.used()
	var names []string
	var fields []field
	for _, h := range key {
		h.field.size = h.size
		names, fields = append(names, h.text()), append(fields, h.field)
	}
	name := strings.Join(names, " . ")
	contents := "@" + e.SetName
	list := func(data field) string {
		// nft numbers those without a name of their own: "__set0", "__map1".
		if strings.HasPrefix(e.SetName, "__") && w.ask.elements != nil {
			if all := w.ask.elements(e.SetName, fields, data); len(all) > 0 {
				return "{ " + strings.Join(all, ", ") + " }"
			}
		}
		return contents
	}
	switch {
	case e.IsDestRegSet && e.DestRegister == unix.NFT_REG_VERDICT:
		w.say("%s vmap %s", name, list(field{form: verdictOf}))
	case e.IsDestRegSet:
		w.put(e.DestRegister, held{field: field{name: name + " map " + list(w.addressField())}, fresh: true})
	case e.Invert:
		w.say("%s != %s", name, list(field{}))
	default:
		w.say("%s %s", name, list(field{}))
	}
}

// verdictOf is the verdict that a map has for a key, from its attributes.
func verdictOf(value, _ []byte) string {
	v := opaqueOf("", value)
	chain, _, _ := bytes.Cut(v.attrs[unix.NFTA_VERDICT_CHAIN], []byte{0})
	return verdictText(&expr.Verdict{Kind: expr.VerdictKind(int32(v.number(unix.NFTA_VERDICT_CODE))), Chain: string(chain)})
}

func verdictText(e *expr.Verdict) string {
	words := map[expr.VerdictKind]string{
		expr.VerdictAccept: "accept", expr.VerdictDrop: "drop", expr.VerdictReturn: "return",
		expr.VerdictContinue: "continue", expr.VerdictQueue: "queue",
	}
	switch word := words[e.Kind]; {
	case e.Kind == expr.VerdictJump:
		return "jump " + e.Chain
	case e.Kind == expr.VerdictGoto:
		return "goto " + e.Chain
	case word != "":
		return word
	}
	return fmt.Sprintf("[verdict %d]", e.Kind)
}

// newPort is ":80", from the register that holds it.
func (w *writer) newPort(register uint32) string {
	if value := w.at(register).value; register != 0 && len(value) >= 2 {
		return " to :" + decimal(value[:2], nil)
	}
	return ""
}

// newAddress is what NAT puts in place of an address and a port, from the
// registers that hold them; the second of a range, and the port, may be 0.
func (w *writer) newAddress(first, last, port uint32) string {
	h := w.at(first)
	if h.value == nil && h.name != "" && first != 0 {
		return " to " + h.text()
	}
	a, ok := netip.AddrFromSlice(h.value)
	if !ok {
		if port != 0 {
			return w.newPort(port)
		}
		return ""
	}
	if b, ok := netip.AddrFromSlice(w.at(last).value); ok && last != 0 && b != a {
		return " to " + a.String() + "-" + b.String()
	}
	if value := w.at(port).value; port != 0 && len(value) >= 2 {
		return " to " + netip.AddrPortFrom(a, uint16(value[0])<<8|uint16(value[1])).String()
	}
	return " to " + a.String()
}

func (w *writer) nat(e *expr.NAT) {
	word := "dnat"
	if e.Type == expr.NATTypeSourceNAT {
		word = "snat"
	}
	prefix := ""
	if e.Prefix {
		prefix = " prefix"
	}
	w.say("%s%s%s%s", word, prefix, w.newAddress(e.RegAddrMin, e.RegAddrMax, e.RegProtoMin), flagWords(e.Random, e.FullyRandom, e.Persistent))
}

func flagWords(random, fully, persistent bool) string {
	var words []string
	for _, flag := range []struct {
		set  bool
		word string
	}{{random, "random"}, {fully, "fully-random"}, {persistent, "persistent"}} {
		if flag.set {
			words = append(words, flag.word)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return " " + strings.Join(words, ",")
}

// duplicate sends a copy elsewhere: by an interface (netdev), or to an address.
func (w *writer) duplicate(e *expr.Dup) {
	device := ""
	if e.RegDev != 0 {
		device = w.operand(e.RegDev, w.interfaceField(""))
	}
	if a, ok := netip.AddrFromSlice(w.at(e.RegAddr).value); ok && e.RegAddr != 0 && w.table != unix.NFPROTO_NETDEV {
		w.say("%s", strings.TrimSuffix("dup to "+a.String()+" device "+device, " device "))
		return
	}
	w.say("dup to %s", device)
}

func (w *writer) reject(e *expr.Reject) {
	if e.Type == unix.NFT_REJECT_TCP_RST {
		w.say("reject with tcp reset")
		return
	}
	kind := map[byte]string{unix.NFPROTO_IPV4: "icmp", unix.NFPROTO_IPV6: "icmpv6"}[w.family]
	if e.Type == unix.NFT_REJECT_ICMPX_UNREACH || kind == "" {
		kind = "icmpx"
	}
	w.say("reject with %s code %d", kind, e.Code)
}

func (w *writer) limit(e *expr.Limit) {
	unit := map[expr.LimitTime]string{
		expr.LimitTimeSecond: "second", expr.LimitTimeMinute: "minute", expr.LimitTimeHour: "hour", expr.LimitTimeDay: "day", expr.LimitTimeWeek: "week",
	}[e.Unit]
	what, bytes := "packets", ""
	if e.Type == expr.LimitTypePktBytes {
		what, bytes = "bytes", " bytes"
	}
	w.say("limit rate %s%d%s/%s", over(e.Over), e.Rate, bytes, unit)
	if e.Burst != 0 {
		w.say("burst %d %s", e.Burst, what)
	}
}

func (w *writer) queue(e *expr.Queue) {
	w.say("queue")
	var flags []string
	if e.Flag&expr.QueueFlagBypass != 0 {
		flags = append(flags, "bypass")
	}
	if e.Flag&expr.QueueFlagFanout != 0 {
		flags = append(flags, "fanout")
	}
	if flags != nil {
		w.say("flags %s", strings.Join(flags, ","))
	}
	if e.Total > 1 {
		w.say("to %d-%d", e.Num, e.Num+e.Total-1)
	} else {
		w.say("to %d", e.Num)
	}
}

func (w *writer) log(e *expr.Log) {
	w.say("log")
	if prefix := strings.TrimRight(string(e.Data), "\x00"); prefix != "" {
		w.say("prefix %q", prefix)
	}
	if e.Key&(1<<unix.NFTA_LOG_GROUP) != 0 {
		w.say("group %d", e.Group)
	}
}
