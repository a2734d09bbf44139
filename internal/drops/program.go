package drops

import (
	"encoding/binary"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// An event is what the program tells of a packet, in the order of the fields
// below; numbers are in the machine's byte order, the protocol in the network's.
const (
	atInode    = 0
	atIndex    = 4
	atReason   = 8
	atProtocol = 12
	atFunction = 16
	atPacket   = atFunction + functionSize
	eventSize  = atPacket + packetSize

	functionSize = 64
	packetSize   = 128 // from the network header on: enough for what an ICMP error quotes

	// Where these are on the program's stack, which grows down.
	event   = -eventSize
	scratch = event - 8
)

// instructions is the program at the tracepoint. It tells of packets in the
// namespaces that spaces holds, by events in the queue; the format is the text
// "%ps", by which the kernel names its own function at an address.
func (l *layout) instructions(spaces, queue, format *ebpf.Map) asm.Instructions {
	const skb, found = asm.R7, asm.R8
	var all asm.Instructions
	do := func(i ...asm.Instruction) { all = append(all, i...) }
	// read copies size bytes at base+offset to a place on the stack; R0 is not 0
	// where that can't be read.
	read := func(to int, size int32, base asm.Register, offset int) {
		do(
			asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(to)),
			asm.Mov.Imm(asm.R2, size),
			asm.Mov.Reg(asm.R3, base), asm.Add.Imm(asm.R3, int32(offset)),
			asm.FnProbeReadKernel.Call(),
		)
	}
	// pointer loads a pointer into found, or goes on elsewhere without one.
	pointer := func(base asm.Register, offset int, without string) {
		read(scratch, 8, base, offset)
		do(asm.JNE.Imm(asm.R0, 0, without), asm.LoadMem(found, asm.RFP, scratch, asm.DWord), asm.JEq.Imm(found, 0, without))
	}
	do(asm.Mov.Reg(asm.R6, asm.R1), asm.LoadMem(skb, asm.R6, 0, asm.DWord))
	do(asm.Mov.Imm(asm.R1, 0))
	for at := int16(event); at < 0; at += 8 {
		do(asm.StoreMem(asm.RFP, at, asm.R1, asm.DWord))
	}
	// The namespace is that of the interface; of what has none yet, that of the
	// socket, or of the interface that the route leads to.
	pointer(skb, l.skbDev, "socket")
	read(event+atIndex, 4, found, l.devIndex)
	pointer(found, l.devNet, "socket")
	do(asm.Ja.Label("namespace"))
	do(asm.Mov.Imm(asm.R0, 0).WithSymbol("socket"))
	pointer(skb, l.skbSk, "route")
	pointer(found, l.sockNet, "route")
	do(asm.Ja.Label("namespace"))
	do(asm.Mov.Imm(asm.R0, 0).WithSymbol("route"))
	pointer(skb, l.skbDst, "end")
	do(asm.And.Imm(found, -2)) // the lowest bit says who counts the references (SKB_DST_NOREF)
	pointer(found, l.dstDev, "end")
	pointer(found, l.devNet, "end")

	do(asm.Mov.Imm(asm.R0, 0).WithSymbol("namespace"))
	read(event+atInode, 4, found, l.netInode)
	do(
		asm.LoadMapPtr(asm.R1, spaces.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, event+atInode),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.LoadMem(asm.R1, asm.R6, 16, asm.DWord), asm.StoreMem(asm.RFP, event+atReason, asm.R1, asm.Word),
	)
	read(event+atProtocol, 2, skb, l.skbProtocol)
	pointer(skb, l.skbHead, "tell")
	read(scratch, 2, skb, l.skbNetwork)
	do(asm.LoadMem(asm.R1, asm.RFP, scratch, asm.Half), asm.Add.Reg(found, asm.R1))
	read(event+atPacket, packetSize, found, 0)

	do(
		asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord).WithSymbol("tell"), asm.StoreMem(asm.RFP, scratch, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, event+atFunction),
		asm.Mov.Imm(asm.R2, functionSize),
		asm.LoadMapValue(asm.R3, format.FD(), 0),
		asm.Mov.Reg(asm.R4, asm.RFP), asm.Add.Imm(asm.R4, scratch),
		asm.Mov.Imm(asm.R5, 8),
		asm.FnSnprintf.Call(),
		asm.LoadMapPtr(asm.R1, queue.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, event),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnMapPushElem.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return(),
	)
	return all
}

// told is an event as values.
func (l *layout) told(e []byte) Drop {
	d := Drop{
		Inode:     uint64(binary.NativeEndian.Uint32(e[atInode:])),
		Index:     int(binary.NativeEndian.Uint32(e[atIndex:])),
		Reason:    l.reason(binary.NativeEndian.Uint32(e[atReason:])),
		EtherType: binary.BigEndian.Uint16(e[atProtocol:]),
		Function:  text(e[atFunction:atPacket]),
	}
	d.Packet = packet(d.EtherType, e[atPacket:])
	return d
}

// packet is as much of b as belongs to the packet, by what the packet itself
// says; none of what is neither IP nor ARP.
func packet(etherType uint16, b []byte) []byte {
	length := 0
	switch {
	case etherType == unix.ETH_P_ARP:
		length = 28 // RFC 826, for IPv4 over Ethernet
	case etherType == unix.ETH_P_IP && b[0]>>4 == 4:
		length = int(binary.BigEndian.Uint16(b[2:]))
	case etherType == unix.ETH_P_IPV6 && b[0]>>4 == 6:
		length = 40 + int(binary.BigEndian.Uint16(b[4:]))
	}
	return b[:min(length, len(b))]
}

func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
