package capture

import (
	"fmt"
	"net"
	"reflect"
	"strings"

	"github.com/google/gopacket"
)

// Layer is one protocol of a packet, with its fields in words, for people.
type Layer struct {
	Name   string // as gopacket calls it: "Ethernet", "IPv4", "ICMPv4", "Payload", ...
	Fields []Field
}

// Field is one field of a protocol.
type Field struct{ Name, Value string }

// Layers are the packet's protocols from the outermost on, decoded by gopacket;
// of an ICMP error also the packet that it quotes.
func (p *Packet) Layers() []Layer {
	var all []Layer
	decoded := p.Decoded()
	for _, l := range decoded.Layers() {
		if l.LayerType() == gopacket.LayerTypeDecodeFailure {
			continue // told below
		}
		all = append(all, Layer{l.LayerType().String(), fieldsOf(l)})
	}
	if quoted, ok := p.Quoted(); ok {
		all = append(all, Layer{"Quoted packet", []Field{{"Packet", quoted.Summary(Names{})}}})
	}
	if e := decoded.ErrorLayer(); e != nil && !p.Cut() {
		all = append(all, Layer{"Not decoded", []Field{{"Error", e.Error().Error()}}})
	}
	if p.Cut() {
		all = append(all, Layer{"Cut", []Field{{"Bytes", fmt.Sprintf("%d, of which %d were kept", p.Length, len(p.Data))}}})
	}
	return all
}

// fieldsOf are the exported fields of a layer, but for those that hold its bytes.
// Flags that are set stand together in one.
func fieldsOf(l gopacket.Layer) []Field {
	v := reflect.Indirect(reflect.ValueOf(l))
	if v.Kind() != reflect.Struct {
		text := l.LayerContents()
		return []Field{{"Bytes", fmt.Sprint(len(text))}, {"Text", printable(text)}}
	}
	var all []Field
	var set []string
	flags := -1
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case !f.IsExported() || f.Anonymous || f.Name == "Contents" || f.Name == "Payload":
		case f.Type.Kind() == reflect.Bool:
			if flags < 0 {
				flags = len(all)
				all = append(all, Field{Name: "Flags set"})
			}
			if v.Field(i).Bool() {
				set = append(set, f.Name)
			}
		default:
			if text := value(f.Name, v.Field(i)); text != "" {
				all = append(all, Field{f.Name, text})
			}
		}
	}
	if flags >= 0 {
		all[flags].Value = strings.Join(set, " ")
		if set == nil {
			all[flags].Value = "none"
		}
	}
	return all
}

// value is a field's value; "" where it has none.
func value(name string, v reflect.Value) string {
	switch held := v.Interface().(type) {
	case net.HardwareAddr:
		return held.String()
	case net.IP:
		return held.String()
	case []byte:
		switch {
		case len(held) == 0:
			return ""
		case len(held) == 6 && strings.Contains(name, "Hw"): // ARP's
			return net.HardwareAddr(held).String()
		case len(held) == 4 && strings.Contains(name, "Prot"):
			return net.IP(held).String()
		}
		return fmt.Sprintf("% x", held)
	case fmt.Stringer:
		return held.String()
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			return ""
		}
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return ""
		}
	case reflect.Uint16:
		if name == "Length" && v.Uint() == 0 { // of an Ethernet frame that has a type
			return ""
		}
		if name == "Checksum" {
			return fmt.Sprintf("0x%04x", v.Uint())
		}
	}
	return fmt.Sprintf("%v", v.Interface())
}

// printable are bytes as text, with a dot for what can't be printed.
func printable(b []byte) string {
	text := make([]byte, len(b))
	for i, c := range b {
		text[i] = c
		if c < ' ' || c > '~' {
			text[i] = '.'
		}
	}
	return string(text)
}
