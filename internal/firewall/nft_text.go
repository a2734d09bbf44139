package firewall

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// writer turns the expressions of a rule into the text that nft would print,
// as far as it understands them. What it doesn't, it shows as [name].
type writer struct {
	family    byte // NFPROTO_…, where the rule has decided on one
	transport byte // IPPROTO_…, likewise
	registers map[uint32]field
	masks     map[uint32][]byte
	values    map[uint32][]byte // of immediate expressions
	words     []string
}

// nftText is the rule as nft prints it, but for the values of sets and other
// things that would take more requests. Counters are left out.
func nftText(line nftLine) string {
	w := &writer{
		family: line.family, registers: make(map[uint32]field),
		masks: make(map[uint32][]byte), values: make(map[uint32][]byte),
	}
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
		w.load(e.Register, metaField(e.Key))
		if e.SourceRegister {
			w.say("%s set %s", metaField(e.Key).name, hex.EncodeToString(w.values[e.Register]))
		}
	case *expr.Ct:
		w.load(e.Register, ctField(e.Key))
	case *expr.Payload:
		w.load(e.DestRegister, w.payloadField(e.Base, e.Offset, e.Len))
	case *expr.Bitwise:
		w.load(e.DestRegister, w.registers[e.SourceRegister])
		w.masks[e.DestRegister] = e.Mask
	case *expr.Cmp:
		w.compare(e)
	case *expr.Range:
		f := w.registers[e.Register]
		w.say("%s %s%s-%s", f.name, not(e.Op), f.write(e.FromData, nil), f.write(e.ToData, nil))
	case *expr.Lookup:
		operator := ""
		if e.Invert {
			operator = "!= "
		}
		w.say("%s %s@%s", w.registers[e.SourceRegister].name, operator, e.SetName)
	case *expr.Immediate:
		w.values[e.Register] = e.Data
	case *expr.Verdict:
		w.verdict(e)
	case *expr.Masq:
		w.say("masquerade")
	case *expr.Redir:
		w.say("redirect%s", w.newPort(e.RegisterProtoMin))
	case *expr.NAT:
		w.nat(e)
	case *expr.Notrack:
		w.say("notrack")
	case *expr.Reject:
		w.reject(e)
	case opaque:
		w.say("[%s]", e.name)
	default:
		w.say("[%T]", e)
	}
}

func (w *writer) load(register uint32, f field) {
	w.registers[register] = f
	delete(w.masks, register)
	delete(w.values, register)
}

func not(op expr.CmpOp) string {
	if op == expr.CmpOpNeq {
		return "!= "
	}
	return ""
}

func (w *writer) compare(e *expr.Cmp) {
	f, mask := w.registers[e.Register], w.masks[e.Register]
	// `ct state new,established` is compiled to state & mask != 0, and nft
	// itself matches protocols before the fields of their headers.
	if mask != nil && e.Op == expr.CmpOpNeq && len(bytes.Trim(e.Data, "\x00")) == 0 {
		w.say("%s %s", f.name, f.write(mask, nil))
		return
	}
	if e.Op == expr.CmpOpEq && len(e.Data) == 1 {
		switch f.name {
		case "meta nfproto":
			w.family = e.Data[0]
		case "meta l4proto", "ip protocol", "ip6 nexthdr":
			w.transport = e.Data[0]
		}
	}
	operators := map[expr.CmpOp]string{expr.CmpOpLt: "< ", expr.CmpOpLte: "<= ", expr.CmpOpGt: "> ", expr.CmpOpGte: ">= "}
	w.say("%s %s%s%s", f.name, not(e.Op), operators[e.Op], f.write(e.Data, mask))
}

func (w *writer) verdict(e *expr.Verdict) {
	words := map[expr.VerdictKind]string{
		expr.VerdictAccept: "accept", expr.VerdictDrop: "drop", expr.VerdictReturn: "return",
		expr.VerdictContinue: "continue", expr.VerdictQueue: "queue",
	}
	switch word := words[e.Kind]; {
	case e.Kind == expr.VerdictJump:
		w.say("jump %s", e.Chain)
	case e.Kind == expr.VerdictGoto:
		w.say("goto %s", e.Chain)
	case word != "":
		w.say("%s", word)
	default:
		w.say("[verdict %d]", e.Kind)
	}
}

// newPort is ":80", from the register that holds it.
func (w *writer) newPort(register uint32) string {
	if value := w.values[register]; register != 0 && len(value) >= 2 {
		return " to :" + decimal(value[:2], nil)
	}
	return ""
}

func (w *writer) nat(e *expr.NAT) {
	word := "dnat"
	if e.Type == expr.NATTypeSourceNAT {
		word = "snat"
	}
	to := ""
	if a, ok := netip.AddrFromSlice(w.values[e.RegAddrMin]); ok {
		to = " to " + a.String()
		if value := w.values[e.RegProtoMin]; e.RegProtoMin != 0 && len(value) >= 2 {
			to = " to " + netip.AddrPortFrom(a, uint16(value[0])<<8|uint16(value[1])).String()
		}
	}
	w.say("%s%s", word, to)
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
