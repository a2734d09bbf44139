package firewall

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The registers that the expressions of a rule hand values on in.
const (
	register     = 1 // matches, and the new address
	portRegister = 2 // the new port
)

func nftFamily(f Family) nftables.TableFamily {
	if f == IPv6 {
		return nftables.TableFamilyIPv6
	}
	return nftables.TableFamilyIPv4
}

// nftChain is the base chain that stands for an iptables chain: hooked to the
// same place with the same priority (linux/netfilter_ipv4.h, enum
// nf_ip_hook_priorities).
func nftChain(f Family, table string, h Hook) *nftables.Chain {
	kind, priority := nftables.ChainTypeFilter, nftables.ChainPriorityFilter
	switch table {
	case tableRaw:
		priority = nftables.ChainPriorityRaw
	case tableMangle:
		priority = nftables.ChainPriorityMangle
	case tableNAT:
		kind = nftables.ChainTypeNAT
		priority = nftables.ChainPriorityNATDest
		if h == Input || h == Postrouting {
			priority = nftables.ChainPriorityNATSource
		}
	}
	return &nftables.Chain{
		Name:     table + "_" + strings.ToLower(h.String()),
		Table:    &nftables.Table{Name: nftTable, Family: nftFamily(f)},
		Type:     kind,
		Hooknum:  nftables.ChainHookRef(nftables.ChainHook(h.number())),
		Priority: priority,
	}
}

// expressions is the rule in the language of the kernel: matches, a counter,
// the verdict.
func expressions(r Rule) []expr.Any {
	var e []expr.Any
	source, destination := uint32(12), uint32(16) // offsets in the IPv4 header
	if r.Family == IPv6 {
		source, destination = 8, 24
	}
	e = append(e, addressMatch(r.Source, r.NotSource, source)...)
	e = append(e, addressMatch(r.Destination, r.NotDestination, destination)...)
	e = append(e, nameMatch(r.In, r.NotIn, expr.MetaKeyIIFNAME)...)
	e = append(e, nameMatch(r.Out, r.NotOut, expr.MetaKeyOIFNAME)...)
	if r.Protocol != "" {
		e = append(e,
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
			&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{protocols[r.Protocol]}})
	}
	if r.SourcePort != 0 {
		e = append(e, transportMatch(0, portBytes(r.SourcePort))...)
	}
	if r.DestinationPort != 0 {
		e = append(e, transportMatch(2, portBytes(r.DestinationPort))...)
	}
	if r.ICMPType != nil {
		e = append(e, transportMatch(0, []byte{*r.ICMPType})...)
	}
	if bits, _ := r.stateBits(); bits != 0 {
		e = append(e,
			&expr.Ct{Key: expr.CtKeySTATE, Register: register},
			&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4,
				Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)})
	}
	e = append(e, &expr.Counter{})
	return append(e, verdictExpressions(r)...)
}

func operator(not bool) expr.CmpOp {
	if not {
		return expr.CmpOpNeq
	}
	return expr.CmpOpEq
}

func addressMatch(p netip.Prefix, not bool, offset uint32) []expr.Any {
	if !matchesSome(p) {
		return nil
	}
	address := p.Masked().Addr().AsSlice()
	size := uint32(len(address))
	e := []expr.Any{&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}}
	if !p.IsSingleIP() {
		e = append(e, &expr.Bitwise{SourceRegister: register, DestRegister: register, Len: size,
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()), Xor: make([]byte, size)})
	}
	return append(e, &expr.Cmp{Op: operator(not), Register: register, Data: address})
}

// nameMatch compares an interface name with the zero byte at its end, or,
// where the name ends in "+", only its beginning.
func nameMatch(name string, not bool, key expr.MetaKey) []expr.Any {
	if name == "" {
		return nil
	}
	data := make([]byte, unix.IFNAMSIZ)
	copy(data, name)
	if beginning, ok := strings.CutSuffix(name, "+"); ok {
		data = []byte(beginning)
	}
	return []expr.Any{
		&expr.Meta{Key: key, Register: register},
		&expr.Cmp{Op: operator(not), Register: register, Data: data},
	}
}

func transportMatch(offset uint32, data []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: uint32(len(data))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data},
	}
}

func verdictExpressions(r Rule) []expr.Any {
	switch r.Verdict {
	case Accept:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	case Drop:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	case Reject:
		kind := uint32(unix.NFT_REJECT_ICMP_UNREACH)
		if r.RejectWith == TCPReset {
			kind = unix.NFT_REJECT_TCP_RST
		}
		return []expr.Any{&expr.Reject{Type: kind, Code: r.RejectWith.code(r.Family)}}
	case Masquerade:
		return []expr.Any{&expr.Masq{}}
	case SNAT:
		return natExpressions(r, expr.NATTypeSourceNAT)
	case DNAT:
		return natExpressions(r, expr.NATTypeDestNAT)
	case Redirect:
		if r.ToPort == 0 {
			return []expr.Any{&expr.Redir{}}
		}
		return []expr.Any{
			&expr.Immediate{Register: register, Data: portBytes(r.ToPort)},
			&expr.Redir{RegisterProtoMin: register},
		}
	case NoTrack:
		return []expr.Any{&expr.Notrack{}}
	}
	return nil
}

func natExpressions(r Rule, kind expr.NATType) []expr.Any {
	nat := &expr.NAT{Type: kind, Family: uint32(nftFamily(r.Family)), RegAddrMin: register}
	e := []expr.Any{&expr.Immediate{Register: register, Data: r.To.AsSlice()}}
	if r.ToPort != 0 {
		nat.RegProtoMin = portRegister
		e = append(e, &expr.Immediate{Register: portRegister, Data: portBytes(r.ToPort)})
	}
	return append(e, nat)
}

func portBytes(port uint16) []byte { return binary.BigEndian.AppendUint16(nil, port) }
